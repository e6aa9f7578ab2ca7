// What a page shows, without what its script adds: for comparing pages with each other, and with the share's items.

/** The content as HTML, the same for the same content however it came to be. */
export const contentOf = (page) => page.evaluate(() => {
  const containers = "main, article, .parts, .body, section, details, aside, header, footer, ul, ol, table, thead, tbody, tr";
  const plain = (id) => {
    const copy = document.getElementById(id).cloneNode(true);
    for (const added of copy.querySelectorAll(".copy")) added.remove();
    copy.normalize();
    for (const one of [copy, ...copy.querySelectorAll("*")]) {
      for (const name of ["open", "tabindex"]) one.removeAttribute(name);
      if (!one.matches(containers)) continue;
      for (const node of [...one.childNodes]) if (node.nodeType === 3 && !node.data.trim()) node.remove();
    }
    return copy.innerHTML.trim();
  };
  return { title: plain("title"), facts: plain("facts"), session: plain("session"), changes: plain("changes") };
});

/** Demands that two contents are the same; says where they differ. */
export function same(left, right, what) {
  for (const [place, html] of Object.entries(left)) {
    const other = right[place];
    if (html === other) continue;
    let at = 0;
    while (html[at] === other[at]) at += 1;
    const near = (text) => JSON.stringify(text.slice(Math.max(0, at - 80), at + 80));
    throw new Error(`${what}: ${place} differs at ${at} (${html.length} and ${other.length} long): ${near(html)} and ${near(other)}`);
  }
}

/** The words of markdown, as they must be on the page. */
export function wordsOf(markdown) {
  const shown = markdown
    .replace(/^```\S*$/gm, "")
    .replace(/^\s*\d+\.\s/gm, "")
    .replace(/\]\([^)]*\)/g, "]");
  return tokens(shown);
}

export const tokens = (text) => text.match(/[\p{L}\p{N}]+/gu) ?? [];

/** The id of an item's element. */
export const idOf = (prefix, id) => `${prefix}-${id}`;

export function check(holds, words) {
  if (!holds) throw new Error(words);
}
