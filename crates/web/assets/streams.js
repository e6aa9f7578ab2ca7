/**
 * Answers that go on: events and lines as they come.
 *
 * @module
 */

/** The lines of a body as they come. `heard` is called whenever anything comes. */
export async function* lines(body, heard) {
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
export async function* events(body, heard) {
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
export class Refused extends Error {
  constructor(status) {
    super(`the server answered ${status}`);
    this.status = status;
  }
  /** Asking again brings the same. */
  get isFinal() {
    return this.status === 403 || this.status === 404 || this.status === 410;
  }
}

export async function opened(access, url, signal) {
  const response = await access.fetch(url, signal);
  if (!response.ok || !response.body) throw new Refused(response.status);
  return response.body;
}

/** Waits, but not once there is a network again, or a hurry. */
export function pause(ms, hurry) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    hurry.addEventListener("abort", done, { once: true });
  });
}

export const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
