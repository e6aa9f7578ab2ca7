/**
 * Buttons that copy what is shown.
 *
 * @module
 */

import { element } from "./elements.js";

/** Shows what is copied on the button for a moment. */
async function copy(from, text, node) {
  try {
    await navigator.clipboard.writeText(text);
    from.textContent = "Copied";
  } catch {
    // Without the right to write there, it is ready for the reader to copy.
    getSelection().selectAllChildren(node);
    from.textContent = "Selected";
  }
  setTimeout(() => (from.textContent = "Copy"), 1500);
}

const copyButton = (what, text, node) => {
  const made = element("button", { type: "button", className: "copy", "aria-label": `copy ${what}` }, "Copy");
  made.onclick = () => copy(made, text(), node);
  return made;
};

/** What a message says, without its tools and reasoning. */
const said = (message) => [...message.querySelectorAll(".part.text .block")].map((it) => it.textContent).join("\n\n");

/** Gives what the reader points at, or has come to, its copy buttons: not before, for there may be thousands. */
export function offerCopies({ target }) {
  const message = target.closest?.(".message");
  const header = message?.querySelector(":scope > header");
  if (header && !header.querySelector(".copy")) header.append(copyButton("message", () => said(message), message));
  for (const pre of target.closest?.(".part")?.querySelectorAll("pre") ?? []) {
    const title = pre.previousElementSibling?.matches("h4") ? pre.previousElementSibling : pre.closest(".block");
    if (title && !title.querySelector(".copy")) title.append(copyButton("text", () => pre.textContent, pre));
  }
}
