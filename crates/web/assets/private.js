/**
 * A private share: its ref stands in the fragment of the address, which no request carries. The ref is sent in a body to
 * this very server, which gives the page and a token that is good for reading it for a while.
 *
 * @module
 */

const OPEN = "/private/open";
const KEPT = "private-ref";

/** A link to a message takes the ref's place in the address; this tab still has it then. */
const isLink = /^#([mpd]-|$)/.test(location.hash);
const ref = isLink ? (sessionStorage.getItem(KEPT) ?? "") : decodeURIComponent(location.hash.slice(1));
let token = "";

/** Shows words in place of everything. */
function say(words) {
  const notice = document.createElement("p");
  notice.id = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = words;
  document.body.replaceChildren(notice);
}

/** Sends the ref, for a new token and the page. */
async function open(signal) {
  const response = await fetch(OPEN, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ref }),
    cache: "no-store",
    signal,
  });
  const answer = await response.json();
  if (response.ok) {
    token = answer.token;
    sessionStorage.setItem(KEPT, ref);
  }
  return { response, answer };
}

/** Asks with the token; one that has ended is replaced once, if the ref still opens the share. */
async function fetchWithToken(url, signal) {
  const ask = () => fetch(url, { signal, cache: "no-store", headers: { authorization: `Bearer ${token}` } });
  const first = await ask();
  if (first.status !== 401) return first;
  const { response } = await open(signal);
  return response.ok ? ask() : response;
}

/** Puts the page that was given in place of this one, without running anything in it. */
async function show({ response, answer: { html, error, hint } }) {
  if (!response.ok) return say(hint ? `${error}: ${hint}` : error);
  const page = new DOMParser().parseFromString(html, "text/html");
  document.title = page.title;
  for (const { name, value } of page.body.attributes) document.body.setAttribute(name, value);
  document.body.dataset.access = "token";
  document.body.replaceChildren(...page.body.childNodes);
  // Not before its elements are there.
  const { start } = await import("./page.js");
  start({ fetch: fetchWithToken });
}

if (!ref) say("The address of a private share ends with its ref, after a `#`.");
else open().then(show).catch((error) => say(error.message));
