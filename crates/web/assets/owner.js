/**
 * The owner's page: who reads a share, and an end to that. The refs that are shown are kept in this tab only, and are sent
 * to this very server in bodies only.
 *
 * @module
 */

import { element } from "./elements.js";

const KEPT = "owner-refs";
const REFRESH_MS = 5_000;
/** How long a button waits for the second click. */
const SURE_MS = 4_000;

const ago = new Intl.RelativeTimeFormat([], { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** A time, as far from now as it is. */
function when(ms, never) {
  if (!ms) return document.createTextNode(never);
  const seconds = Math.round((ms - Date.now()) / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  const words = ago.format(Math.round(seconds / length), unit);
  return element("time", { dateTime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() }, words);
}

const count = (number, one, many) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

async function ask(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.hint ? `${answer.error}: ${answer.hint}` : answer.error);
  return answer;
}

/** A button that asks back. */
function sureButton(label, name, action) {
  const made = element("button", { type: "button", "aria-label": `${label} ${name}` }, label);
  let timer = 0;
  const calm = () => {
    timer = 0;
    made.textContent = label;
    made.classList.remove("sure");
  };
  made.onclick = () => {
    clearTimeout(timer);
    if (timer) return action(made);
    timer = setTimeout(calm, SURE_MS);
    made.textContent = "Sure?";
    made.classList.add("sure");
  };
  return made;
}

/** A share that a ref governs, as a section of the page. */
class Governed {
  #told = element("p", { className: "told", role: "status" });
  #body = element("div", {}, element("p", {}, "…"));
  section = element("section", { className: "share" }, this.#body, this.#told);

  constructor(ref, forget) {
    this.ref = ref;
    this.forget = forget;
  }

  async refresh() {
    // What a button asks back must not go away under the pointer.
    if (this.section.querySelector(".sure")) return;
    try {
      this.#show(await ask("/owner/share", { ref: this.ref }));
    } catch (error) {
      this.#body.replaceChildren(element("p", { className: "error" }, error.message), this.#forgetButton());
    }
  }

  #show(share) {
    const facts = element("p", { className: "facts" });
    facts.append(`${count(share.ops, "op", "ops")} · ${share.viewers} watching · read `, when(share.last_access_at, "never"), " · made ", when(share.created_at, ""));
    const frozen = share.frozen ? [element("span", { className: "state" }, "frozen")] : [];
    const head = element("header", {}, element("h2", {}, element("bdi", {}, share.title || "Without a title"), " ", ...frozen), this.#forgetButton());
    const rows = share.grants.map((grant) => this.#row(grant));
    const titles = ["Who", "May", "Watching", "Read", "Ends", ""].map((title) => element("th", { scope: "col" }, title));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...rows));
    this.#body.replaceChildren(head, facts, table);
  }

  #row(grant) {
    const kind = grant.published ? "Public address" : grant.owner ? "Owner" : "Grant";
    const name = grant.label || kind;
    const who = element("th", { scope: "row" }, element("bdi", {}, name), element("small", {}, `${kind} ${grant.id.slice(0, 8)}`));
    const ends = grant.revoked_at ? element("span", {}, "ended ", when(grant.revoked_at, "")) : when(grant.expires_at, "never");
    const last = element("td");
    if (!grant.owner && !grant.revoked_at) last.append(sureButton(grant.published ? "Unpublish" : "Revoke", name, (button) => this.#end(grant, button)));
    const cells = [grant.rights.join(", "), String(grant.viewers), when(grant.last_access_at, "never"), ends];
    return element("tr", { className: grant.revoked_at ? "ended" : "" }, who, ...cells.map((cell) => element("td", {}, cell)), last);
  }

  async #end(grant, button) {
    button.disabled = true;
    try {
      const ended = await ask("/owner/revoke", { ref: this.ref, grant: grant.id });
      this.#told.textContent = `Ended: ${count(ended.grants, "grant", "grants")}, ${count(ended.viewers, "viewer", "viewers")} cut off.`;
    } catch (error) {
      this.#told.textContent = error.message;
    }
    button.classList.remove("sure");
    await this.refresh();
  }

  #forgetButton() {
    return element("button", { type: "button", title: "take it off this page; nothing ends", onclick: () => this.forget(this) }, "Forget here");
  }
}

/** The page: a form for refs, and a section for each. */
class Owner {
  /** @type {Governed[]} */
  #shares = [];
  #input = element("input", { type: "password", id: "ref", autocomplete: "off", spellcheck: false, required: true });
  #list = element("div", { id: "shares" });

  constructor() {
    const label = element("label", { htmlFor: "ref" }, "A ref with the right ", element("code", {}, "admin"));
    const form = element("form", {}, label, this.#input, element("button", { type: "submit" }, "Show"));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#add(this.#input.value.trim());
      form.reset();
    };
    const hint = element("p", { className: "hint" }, "It stays in this tab, and goes to this server only. ", element("code", {}, "share create"), " prints one.");
    document.body.append(element("main", { id: "owner" }, element("h1", {}, "Shared sessions"), form, hint, this.#list));
    JSON.parse(sessionStorage.getItem(KEPT) ?? "[]").forEach((ref) => this.#add(ref));
    this.#takeFragment();
    addEventListener("hashchange", () => this.#takeFragment());
    setInterval(() => document.hidden || this.#shares.forEach((share) => share.refresh()), REFRESH_MS);
  }

  /** Takes a ref out of the address, where a bookmark would keep it. */
  #takeFragment() {
    const ref = decodeURIComponent(location.hash.slice(1));
    if (!ref) return;
    history.replaceState(null, "", location.pathname);
    this.#add(ref);
  }

  #add(ref) {
    if (!ref || this.#shares.some((share) => share.ref === ref)) return;
    const share = new Governed(ref, (gone) => this.#forget(gone));
    this.#shares.push(share);
    this.#list.prepend(share.section);
    this.#keep();
    share.refresh();
  }

  #forget(gone) {
    this.#shares = this.#shares.filter((share) => share !== gone);
    gone.section.remove();
    this.#keep();
  }

  #keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(this.#shares.map((share) => share.ref)));
  }
}

new Owner();
