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

/** Opens the ref: a new token, and the page. */
async function open() {
  const response = await fetch(OPEN, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ref }),
    cache: "no-store",
  });
  const answer = await response.json();
  if (!response.ok) sessionStorage.removeItem(KEPT);
  if (!response.ok) throw new Error(answer.hint ? `${answer.error}: ${answer.hint}` : answer.error);
  token = answer.token;
  sessionStorage.setItem(KEPT, ref);
  return answer;
}

/** Asks with the token; one that has ended is replaced once. */
async function fetchWithToken(url, signal) {
  const ask = () => fetch(url, { signal, cache: "no-store", headers: { authorization: `Bearer ${token}` } });
  const response = await ask();
  if (response.status !== 401) return response;
  await open();
  return ask();
}

/** Puts the page that was given in place of this one, without running anything in it. */
async function show(html) {
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
else open().then(({ html }) => show(html), (error) => say(error.message));
