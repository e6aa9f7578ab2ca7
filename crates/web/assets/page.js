/**
 * The live page of a share: applies the patches that the server sends, follows the end of the session, and plays
 * the session again.
 *
 * Content is HTML that the server rendered and sanitised. Nothing here makes HTML of text: what is not the server's
 * HTML enters the page as text.
 *
 * @module
 */

/** @typedef {{at: number, cursor: number, patches: object[]}} Step What one or a few ops change on the page. */
/** @typedef {{fetch(url: string, signal: AbortSignal): Promise<Response>}} Access How the share is reached. */
/** @typedef {{at: number, cursor: number, patches: object[], undo?: () => void}} Played */

/** Nothing heard for this long, where the server speaks every 15 s: the connection is dead. */
const SILENCE_MS_MAX = 45_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 15_000;
/** A pause of the session is played as one of this length at most. */
const PAUSE_MS_MAX = 1_500;
const SPEEDS = [1, 2, 5, 10, 20, 50];
/** Steps that a replay holds to go back by; further back it begins anew. */
const STEPS_MAX = 20_000;
/** How long patches are applied before the page is painted again. */
const SLICE_MS = 12;
/** Pixels by which the end may be missed and still counts as seen. */
const END_PX = 48;

// ---- The page's elements

const byId = (/** @type {string} */ id) => document.getElementById(id);

/** An element with properties, and with text or elements in it. */
function element(name, properties = {}, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(properties)) {
		if (key.includes("-") || key === "role") made.setAttribute(key, value);
		else made[key] = value;
	}
	made.append(...children);
	return made;
}

/** What the server rendered, as nodes. */
function rendered(html) {
	const template = document.createElement("template");
	template.innerHTML = html;
	return template.content;
}

const content = { session: byId("session"), changes: byId("changes"), title: byId("title"), facts: byId("facts") };

/** Takes all content off the page. */
function takeContent() {
	const taken = {};
	for (const [name, place] of Object.entries(content)) {
		taken[name] = document.createDocumentFragment();
		taken[name].append(...place.childNodes);
	}
	return taken;
}

/** Puts content that was taken back in place of what is there. */
function putContent(taken) {
	for (const [name, place] of Object.entries(content)) place.replaceChildren(taken[name]);
	document.title = content.title.textContent;
}

// ---- Patches

/** A patch that the page has no place for: page and server are not at one, and the page is asked for anew. */
class Misfit extends Error {}

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

	remove: ({ remove: id }) => detach(known(id)),

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
function apply(patches) {
	const undos = patches.map((patch) => {
		const kind = Object.keys(APPLY).find((key) => Object.hasOwn(patch, key));
		if (!kind) throw new Misfit(`a patch of a kind that is not known: ${Object.keys(patch)}`);
		return APPLY[kind](patch);
	});
	return () => undos.reverse().forEach((undo) => undo());
}

// ---- Reading streams

/** The lines of a body as they come. `heard` is called whenever anything comes. */
async function* lines(body, heard) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let pieces = [];
	try {
		for (;;) {
			const { value, done } = await reader.read();
			heard();
			if (done) return;
			const [first, ...more] = value.split("\n");
			pieces.push(first);
			for (const piece of more) {
				yield pieces.join("");
				pieces = [piece];
			}
		}
	} finally {
		reader.cancel().catch(() => {}); // The stream may have failed already, which was told by `read`.
	}
}

/** The events of a `text/event-stream`. */
async function* events(body, heard) {
	let event = { type: "message", id: null, data: [] };
	for await (const line of lines(body, heard)) {
		if (line === "") {
			if (event.data.length) yield { type: event.type, id: event.id, data: JSON.parse(event.data.join("\n")) };
			event = { type: "message", id: event.id, data: [] };
			continue;
		}
		const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line.replace(/\r$/, ""));
		if (field === "event") event.type = value;
		else if (field === "id") event.id = value;
		else if (field === "data") event.data.push(value);
	}
}

/** An answer that is no stream. */
class Refused extends Error {
	constructor(status) {
		super(`the server answered ${status}`);
		this.status = status;
	}
	/** Asking again brings the same. */
	get isFinal() {
		return this.status === 403 || this.status === 404 || this.status === 410;
	}
}

async function opened(access, url, signal) {
	const response = await access.fetch(url, signal);
	if (!response.ok || !response.body) throw new Refused(response.status);
	return response.body;
}

/** Waits, or until the machine is on the network again. */
function pause(ms) {
	return new Promise((resolve) => {
		const done = () => {
			clearTimeout(timer);
			window.removeEventListener("online", done);
			resolve();
		};
		const timer = setTimeout(done, ms);
		window.addEventListener("online", done);
	});
}

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

// ---- The reading position

/** Sticks to the end of the session, or keeps what is being read where it is. */
class Reading {
	/** Whether the page moves along with the end. */
	follows = false;
	#top = 0;
	/** What is put back after a reset, as soon as it is there. */
	#kept = null;
	#hasNews = false;

	/** @param {(follows: boolean, hasNews: boolean) => void} tell */
	constructor(tell) {
		this.tell = tell;
		new ResizeObserver(() => this.#grown()).observe(content.session);
		addEventListener("scroll", () => this.#scrolled(), { passive: true });
	}

	follow(follows) {
		this.follows = follows;
		// The browser's own anchoring would hold on to what stands above the end.
		document.documentElement.classList.toggle("following", follows);
		if (follows) this.#toEnd();
		this.#told();
	}

	/** Pixels from the lower edge of what is seen to the end of the session. */
	get below() {
		const bar = byId("controls").offsetHeight;
		return content.session.getBoundingClientRect().bottom - (innerHeight - bar);
	}

	/** Remembers what is read and what is unfolded, before everything is replaced. */
	keep() {
		const parts = [...content.session.querySelectorAll(".part, .message")];
		const seen = this.follows ? null : parts.find((part) => part.getBoundingClientRect().bottom > 0);
		const open = [...document.querySelectorAll("details[open]")];
		const unfolded = open.map((fold) => fold.closest("[id]")?.id).filter(Boolean);
		this.#kept = { id: seen?.id, top: seen?.getBoundingClientRect().top, unfolded: new Set(unfolded) };
	}

	/** Applies a change; without anchoring by the browser, what is read stays where it is. */
	during(change) {
		const anchor = !this.follows && !CSS.supports("overflow-anchor", "auto") ? this.#seen() : null;
		const top = anchor?.getBoundingClientRect().top;
		change();
		this.#hasNews = !this.follows;
		if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
		if (this.#kept) this.#restore(this.#kept);
	}

	#seen() {
		return document.elementFromPoint(innerWidth / 2, 1)?.closest(".block, .part, .message");
	}

	#restore(kept) {
		for (const id of kept.unfolded) {
			const fold = byId(id)?.querySelector("details");
			if (!fold) continue;
			fold.open = true;
			kept.unfolded.delete(id);
		}
		const seen = kept.id && byId(kept.id);
		if (seen) {
			scrollBy(0, seen.getBoundingClientRect().top - kept.top);
			kept.id = null;
		}
		if (!kept.id && !kept.unfolded.size) this.#kept = null;
	}

	#grown() {
		if (this.follows) this.#toEnd();
		this.#told();
	}

	#told() {
		this.#hasNews &&= this.below > END_PX;
		this.tell(this.follows, this.#hasNews);
	}

	#toEnd() {
		scrollBy({ top: this.below, behavior: "instant" });
		this.#top = scrollY;
	}

	#scrolled() {
		// What is cut off at the end moves the page up too, but leaves it at the end.
		if (this.follows && scrollY < this.#top && this.below > END_PX) this.follow(false);
		this.#top = scrollY;
		this.#told();
	}
}

// ---- Live

/** Keeps the page at the share's newest state, over any number of connections. */
class Live {
	/** `HISTORY:N`: what the page shows; `null`: nothing that can be gone on from. */
	cursor;
	/** While true the page shows something else, and what comes is left to be asked for again. */
	isHeld = false;
	#failures = 0;
	#connection = new AbortController();
	#ended = false;

	/** @param {Access} access @param {Page} page */
	constructor(access, url, cursor, page) {
		Object.assign(this, { access, url, cursor, page });
	}

	async run() {
		while (!this.#ended) {
			const connection = (this.#connection = new AbortController());
			try {
				this.page.status("connecting");
				await this.#connected(connection);
			} catch (error) {
				if (error instanceof Misfit) this.cursor = null;
				if (error instanceof Refused && error.isFinal) this.end("This session is not shared any more.");
			}
			connection.abort();
			if (!this.#ended && !connection.isWanted) await this.#backOff();
		}
	}

	/** Connects again at once, from the cursor. */
	again() {
		this.#connection.isWanted = true;
		this.#connection.abort();
	}

	end(words) {
		this.#ended = true;
		this.#connection.abort();
		this.page.end(words);
	}

	async #connected(connection) {
		let timer = 0;
		const heard = () => {
			clearTimeout(timer);
			timer = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
		};
		heard();
		try {
			const from = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "";
			const body = await opened(this.access, this.url + from, connection.signal);
			this.page.status("live");
			for await (const event of events(body, heard)) {
				if (connection.signal.aborted) return;
				this.#event(event);
				this.#failures = 0;
			}
		} finally {
			clearTimeout(timer);
		}
	}

	#event({ type, id, data }) {
		if (type === "end") this.end(data.words);
		else if (type === "viewers") this.page.viewers(data.count);
		else if ((type === "view" || type === "reset") && !this.isHeld) {
			this.page.news(data.patches, type === "reset");
			if (id) this.cursor = id;
		}
	}

	async #backOff() {
		const most = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++);
		this.page.status("away");
		await pause(RETRY_MS_MIN / 2 + Math.random() * most);
	}
}

// ---- Replay

/** Plays the session from its op log. Steps that were played are held, so that it can go back. */
class Replay {
	speed = 10;
	isPlaying = false;
	/** @type {Played[]} The first `#next` are on the page. */
	#steps = [];
	#next = 0;
	/** What the page showed before the first step that is held. */
	#base = null;
	#begin = null;
	#source = null;
	#reading = null;
	#connection = new AbortController();
	/** Counts up with each command, so that an earlier one sees that it is over. */
	#turn = 0;

	/** @param {Access} access @param {Page} page */
	constructor(access, url, page) {
		Object.assign(this, { access, url, page });
	}

	/** Where the page is: cursor and time of the last op that it shows. */
	get place() {
		return this.#next ? this.#steps[this.#next - 1] : this.#base;
	}

	play() {
		this.isPlaying = true;
		this.#command(async (isCurrent) => {
			await this.#ready(isCurrent);
			if (this.#isAtEnd) await this.#seek(this.#begin.cursor, isCurrent);
			await this.#play(isCurrent);
		});
	}

	pause() {
		this.#turn += 1;
		this.isPlaying = false;
		this.#tell();
	}

	/** Goes to the last step that is not beyond `cursor`, and goes on playing if it played. */
	seek(cursor) {
		this.#command(async (isCurrent) => {
			await this.#ready(isCurrent);
			await this.#seek(cursor, isCurrent);
			if (this.isPlaying) await this.#play(isCurrent);
		});
	}

	close() {
		this.#turn += 1;
		this.#connection.abort();
		this.#source = null;
		this.#steps = [];
	}

	async #command(action) {
		const turn = (this.#turn += 1);
		const isCurrent = () => turn === this.#turn;
		try {
			await action(isCurrent);
			if (!isCurrent()) return;
			this.isPlaying = false;
			this.#tell();
		} catch (error) {
			if (!isCurrent()) return;
			this.isPlaying = false;
			this.#source = null;
			this.#tell(error instanceof Refused && !error.isFinal ? "too many replays, try again later" : "the replay broke off");
		}
	}

	get #isAtEnd() {
		return this.#source.isDone && this.#next === this.#steps.length;
	}

	/** Has a stream; after one that broke off, from where the page is. */
	async #ready(isCurrent) {
		if (this.#source) return;
		const cursor = this.place?.cursor;
		await this.#restart();
		if (cursor) await this.#seek(cursor, isCurrent);
	}

	/** Shows the session's beginning, from a new stream. */
	async #restart() {
		this.#connection.abort();
		this.#connection = new AbortController();
		const body = await opened(this.access, this.url, this.#connection.signal);
		const source = lines(body, () => {});
		const { begin, patches } = JSON.parse((await source.next()).value);
		this.page.change(() => apply([{ clear: true }, ...patches]));
		this.#source = source;
		this.#begin = begin;
		this.#base = { at: begin.at, cursor: begin.cursor };
		this.#steps = [];
		this.#next = 0;
		this.#reading = null;
		this.#tell();
	}

	/** The step that comes next, as soon as it is here; `undefined` at the end. */
	async #peek() {
		while (this.#next === this.#steps.length && this.#source && !this.#source.isDone) {
			// A command that was given up may still read; what it reads is kept, in order.
			this.#reading ??= this.#read(this.#source);
			await this.#reading;
		}
		return this.#steps[this.#next];
	}

	async #read(source) {
		const { value, done } = await source.next();
		if (source !== this.#source) return;
		this.#reading = null;
		if (done) source.isDone = true;
		else if (value) this.#steps.push(JSON.parse(value));
		this.#drop();
	}

	/** Forgets the oldest steps. */
	#drop() {
		if (this.#steps.length <= STEPS_MAX) return;
		const count = Math.min(this.#next, STEPS_MAX / 4);
		if (count === 0) return;
		const { at, cursor } = this.#steps[count - 1];
		this.#base = { at, cursor };
		this.#steps.splice(0, count);
		this.#next -= count;
	}

	#forward() {
		const step = this.#steps[this.#next];
		this.page.change(() => (step.undo = apply(step.patches)));
		this.#next += 1;
	}

	#back() {
		this.#next -= 1;
		this.page.change(() => this.#steps[this.#next].undo());
	}

	async #play(isCurrent) {
		let due = performance.now();
		for (let step = await this.#peek(); step && isCurrent(); step = await this.#peek()) {
			const lull = Math.min(Math.max(step.at - this.place.at, 0), PAUSE_MS_MAX) / this.speed;
			due = Math.max(due + lull, performance.now() - SLICE_MS);
			while (performance.now() < due && isCurrent()) await frame();
			if (!isCurrent()) return;
			this.#forward();
			if (performance.now() - due > SLICE_MS / 2) await frame();
			this.#tell();
		}
	}

	async #seek(cursor, isCurrent) {
		if (this.#base.cursor > Math.max(cursor, this.#begin.cursor)) await this.#restart();
		let since = performance.now();
		const slice = async () => {
			if (performance.now() - since < SLICE_MS) return;
			this.#tell();
			await frame();
			since = performance.now();
		};
		while (this.#next && this.place.cursor > cursor && isCurrent()) {
			this.#back();
			await slice();
		}
		while (isCurrent()) {
			const step = await this.#peek();
			if (!step || step.cursor > cursor || !isCurrent()) return;
			this.#forward();
			await slice();
		}
	}

	#tell(words) {
		this.page.replay({ begin: this.#begin, place: this.place, isPlaying: this.isPlaying, words });
	}
}

// ---- Controls

const button = (label, title, onclick) => element("button", { type: "button", title, onclick }, label);
const timeOf = (ms) => new Date(ms).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const STATUS = { connecting: "connecting…", live: "live", away: "away, trying again…", replay: "replay", ended: "ended" };
const THEMES = ["auto", "light", "dark"];

function themed(theme) {
	if (theme === "auto") delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = theme;
}

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
function offerCopies({ target }) {
	const message = target.closest?.(".message");
	const header = message?.querySelector(":scope > header");
	if (header && !header.querySelector(".copy")) header.append(copyButton("message", () => said(message), message));
	for (const pre of target.closest?.(".part")?.querySelectorAll("pre") ?? []) {
		const title = pre.previousElementSibling?.matches("h4") ? pre.previousElementSibling : pre.closest(".block");
		if (title && !title.querySelector(".copy")) title.append(copyButton("text", () => pre.textContent, pre));
	}
}

/** The id that the address means. A private page has its ref there. */
const linked = () => (/^#[mpd]-/.test(location.hash) ? location.hash.slice(1) : "");

/** Brings what a link means into view, with all around it unfolded. */
function reveal(id) {
	const target = id && byId(id);
	if (!target) return;
	for (let fold = target.querySelector(":scope > details") ?? target; fold; fold = fold.parentElement) {
		if (fold.matches("details")) fold.open = true;
	}
	target.scrollIntoView({ block: "start", behavior: "instant" });
	// What comes into view gets its real height only then.
	requestAnimationFrame(() => target.scrollIntoView({ block: "start", behavior: "instant" }));
}

/** The page with its controls: what the reader does, and what the streams tell. */
class Page {
	#bar = byId("controls");
	#connection = element("span", { id: "connection", role: "status" });
	#viewers = element("span", { id: "viewers" });
	#follow = button("Follow", "stay at the end (f)", () => this.#reading.follow(!this.#reading.follows));
	#news = button("↓ New", "go to the end and stay there (f)", () => this.#reading.follow(true));
	#fold = button("Unfold", "unfold or fold all (u)", () => this.#foldAll());
	#toggle = button("Replay", "play the session again (r)", () => this.#toggleReplay());
	#play = button("Play", "play or pause (p)", () => (this.#replay.isPlaying ? this.#replay.pause() : this.#replay.play()));
	#slider = element("input", { type: "range", id: "slider", "aria-label": "place in the session" });
	#time = element("output", { id: "time" });
	#speed = element("select", { id: "speed", "aria-label": "speed" });
	#player = element("div", { id: "player", hidden: true }, this.#play, this.#slider, this.#time, this.#speed);
	#help = element("dialog", { id: "help", "aria-label": "keys" });
	#reading = new Reading((follows, hasNews) => this.#showReading(follows, hasNews));
	/** The live page, while another one is shown. */
	#held = null;
	#wanted = linked();
	#keys = {
		j: ["next message", () => this.#move(1)],
		k: ["message before", () => this.#move(-1)],
		f: ["stay at the end, or not", () => this.#follow.click()],
		u: ["unfold or fold all", () => this.#fold.click()],
		r: ["replay, and back to live", () => this.#toggle.click()],
		p: ["play or pause the replay", () => this.#held && this.#play.click()],
		"?": ["these keys", () => this.#help.showModal()],
	};

	#live;
	#replay;

	/** @param {Access} access */
	constructor(access) {
		const { live, replay, history, cursor, lastAt } = document.body.dataset;
		const from = history && cursor ? `${history}:${cursor}` : null;
		this.#live = new Live(access, live, from, this);
		this.#replay = new Replay(access, replay, this);
		this.#build();
		this.#listen();
		reveal(this.#wanted);
		const isNew = Date.now() - Number(lastAt) < 120_000;
		this.#reading.follow(isNew && !this.#wanted);
		this.#live.run();
	}

	// Told by the live stream.

	status(name) {
		this.#connection.textContent = STATUS[this.#held ? "replay" : name];
		this.#connection.dataset.state = name;
	}

	viewers(count) {
		this.#viewers.textContent = `${count} watching`;
	}

	news(patches, isReset) {
		if (isReset) this.#reading.keep();
		this.change(() => apply(patches));
		if (this.#wanted && byId(this.#wanted)) {
			if (isReset) reveal(this.#wanted);
			this.#wanted = "";
		}
	}

	end(words) {
		this.#held = null;
		this.#replay.close();
		takeContent();
		this.#help.close();
		this.#bar.hidden = true;
		document.title = words;
		document.body.append(element("p", { id: "notice", role: "alert" }, words));
		document.body.dataset.state = "ended";
	}

	// Told by the replay.

	change(make) {
		this.#reading.during(make);
	}

	replay({ begin, place, isPlaying, words }) {
		if (!this.#held) return;
		this.#play.textContent = isPlaying ? "Pause" : "Play";
		if (begin) Object.assign(this.#slider, { min: begin.cursor, max: begin.end_cursor, value: place.cursor });
		this.#time.value = words ?? (place ? timeOf(place.at) : "");
		this.#slider.setAttribute("aria-valuetext", this.#time.value);
	}

	// Done by the reader.

	#toggleReplay() {
		if (this.#held) {
			this.#replay.close();
			putContent(this.#held);
			this.#held = null;
			this.#live.isHeld = false;
			// What came meanwhile was left; the stream brings it from the cursor on.
			this.#live.again();
		} else {
			this.#live.isHeld = true;
			this.#held = takeContent();
			this.#replay.play();
		}
		this.#player.hidden = !this.#held;
		this.#toggle.textContent = this.#held ? "Back to live" : "Replay";
		this.status("live");
	}

	#foldAll() {
		const open = this.#fold.textContent === "Unfold";
		for (const fold of document.querySelectorAll("main details, #changes details")) fold.open = open;
		this.#fold.textContent = open ? "Fold" : "Unfold";
	}

	/** Goes to the next message, or the one before. */
	#move(by) {
		this.#reading.follow(false);
		const messages = [...content.session.querySelectorAll(":scope > .message")];
		const at = messages.findIndex((message) => message.getBoundingClientRect().bottom > 1);
		const focused = messages.indexOf(document.activeElement);
		const next = messages[focused < 0 ? Math.max(at, 0) : focused + by];
		if (!next) return;
		next.tabIndex = -1;
		next.focus({ preventScroll: true });
		reveal(next.id);
	}

	#showReading(follows, hasNews) {
		this.#follow.setAttribute("aria-pressed", follows);
		this.#news.hidden = !hasNews;
	}

	#build() {
		const theme = button("", "light or dark", () => {
			const next = THEMES[(THEMES.indexOf(theme.textContent) + 1) % THEMES.length];
			theme.textContent = localStorage.theme = next;
			themed(next);
		});
		theme.textContent = THEMES.includes(localStorage.theme) ? localStorage.theme : "auto";
		themed(theme.textContent);
		this.#speed.append(...SPEEDS.map((speed) => new Option(`${speed}×`, speed, false, speed === this.#replay.speed)));
		const buttons = element("div", { id: "buttons" }, this.#news, this.#follow, this.#fold, this.#toggle, theme,
			button("?", "keys", () => this.#help.showModal()));
		this.#bar.append(element("div", { id: "state" }, this.#connection, this.#viewers), this.#player, buttons);
		this.#bar.hidden = false;
		const rows = Object.entries(this.#keys).flatMap(([key, [words]]) => [element("dt", {}, key), element("dd", {}, words)]);
		this.#help.append(element("dl", {}, ...rows), button("Close", "close", () => this.#help.close()));
		document.body.append(this.#help);
	}

	#listen() {
		this.#slider.oninput = () => this.#replay.seek(Number(this.#slider.value));
		this.#speed.onchange = () => (this.#replay.speed = Number(this.#speed.value));
		for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, offerCopies);
		addEventListener("hashchange", () => {
			this.#reading.follow(false);
			reveal(linked());
		});
		addEventListener("keydown", (event) => {
			const isTyping = event.target.closest?.("input, select, textarea, dialog");
			if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
			this.#keys[event.key]?.[1]();
		});
	}
}

/** @param {Access} access */
export const start = (access) => new Page(access);

// A private page is started by who holds its token.
if (document.body.dataset.live && document.body.dataset.access !== "token") {
	start({ fetch: (url, signal) => fetch(url, { signal, cache: "no-store" }) });
}
