/**
 * The page's elements. Content is HTML that the server rendered and sanitised; what is not enters the page as text.
 *
 * @module
 */

export const byId = (/** @type {string} */ id) => document.getElementById(id);

/** An element with properties, and with text or elements in it. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** What the server rendered, as nodes. */
export function rendered(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

export const content = { session: byId("session"), changes: byId("changes"), title: byId("title"), facts: byId("facts") };

/** Takes all content off the page. */
export function takeContent() {
  const taken = {};
  for (const [name, place] of Object.entries(content)) {
    taken[name] = document.createDocumentFragment();
    taken[name].append(...place.childNodes);
  }
  return taken;
}

/** Puts content that was taken back in place of what is there. */
export function putContent(taken) {
  for (const [name, place] of Object.entries(content)) place.replaceChildren(taken[name]);
  document.title = content.title.textContent;
}
