/**
 * What the server sends to change the page: patches, each of which can be taken back.
 *
 * @module
 */

import { byId, content, putContent, rendered, takeContent } from "./elements.js";

/** A patch that the page has no place for: page and server are not at one, and the page is asked for anew. */
export class Misfit extends Error {}

function known(id) {
  const found = byId(id);
  if (!found) throw new Misfit(`the page has no ${id}`);
  return found;
}

/** The one element of `html`. */
function single(html) {
  const nodes = rendered(html);
  const only = nodes.firstElementChild;
  if (!only || nodes.childElementCount !== 1) throw new Misfit("a patch is not one element");
  return only;
}

/** Where the elements of `into` stand. */
function placeOf(into) {
  if (into === "session" || into === "changes") return content[into];
  const place = known(into).querySelector(":scope > .parts");
  if (!place) throw new Misfit(`${into} has no parts`);
  return place;
}

/** Takes a node out; what is returned puts it back. */
function detach(node) {
  const { parentNode, nextSibling } = node;
  node.remove();
  return () => parentNode.insertBefore(node, nextSibling);
}

/** What the reader folded or unfolded stays so. */
function keepFolds(old, fresh) {
  const folds = fresh.querySelectorAll("details");
  old.querySelectorAll("details").forEach((fold, index) => {
    if (folds[index]) folds[index].open = fold.open;
  });
}

/** Each kind of patch, by the key that it has. What a function returns takes the patch back. */
const APPLY = {
  put({ put: id, into, after, html }) {
    const fresh = single(html);
    const place = placeOf(into);
    const old = byId(id);
    if (old) keepFolds(old, fresh);
    const restore = old && detach(old);
    const before = after ? known(after) : null;
    if (before && before.parentNode !== place) throw new Misfit(`${after} is not in ${into}`);
    place.insertBefore(fresh, before ? before.nextSibling : place.firstChild);
    return () => {
      fresh.remove();
      restore?.();
    };
  },

  blocks({ blocks: id, from, html }) {
    const body = known(id).querySelector(".body");
    if (!body || body.childElementCount < from) throw new Misfit(`${id} has not ${from} blocks`);
    const old = [];
    for (let node = body.children[from]; node; node = node.nextSibling) old.push(node);
    const fresh = html.map(single);
    for (const node of old) node.remove();
    body.append(...fresh);
    return () => {
      for (const node of fresh) node.remove();
      body.append(...old);
    };
  },

  text({ text: id, from, add }) {
    const holder = known(id);
    holder.normalize();
    const node = holder.firstChild ?? holder.appendChild(new Text());
    if (!(node instanceof Text) || node.nextSibling || node.length < from) throw new Misfit(`${id} has not this text`);
    const cut = node.data.slice(from);
    node.replaceData(from, cut.length, add);
    return () => node.replaceData(from, node.length - from, cut);
  },

  swap({ swap: id, html }) {
    const [old, fresh] = [known(id), single(html)];
    keepFolds(old, fresh);
    old.replaceWith(fresh);
    return () => fresh.replaceWith(old);
  },

  // Who comes back is told of all that went meanwhile, also of what it never had.
  remove({ remove: id }) {
    const node = byId(id);
    return node ? detach(node) : () => {};
  },

  clear() {
    const taken = takeContent();
    return () => putContent(taken);
  },

  title({ title }) {
    const old = content.title.textContent;
    const show = (text) => (document.title = content.title.textContent = text);
    show(title);
    return () => show(old);
  },

  facts({ facts }) {
    const old = [...content.facts.childNodes];
    content.facts.replaceChildren(rendered(facts));
    return () => content.facts.replaceChildren(...old);
  },
};

/** Applies patches in order; what is returned takes all of them back. */
export function apply(patches) {
  const undos = patches.map((patch) => {
    const kind = Object.keys(APPLY).find((key) => Object.hasOwn(patch, key));
    if (!kind) throw new Misfit(`a patch of a kind that is not known: ${Object.keys(patch)}`);
    return APPLY[kind](patch);
  });
  return () => undos.reverse().forEach((undo) => undo());
}
