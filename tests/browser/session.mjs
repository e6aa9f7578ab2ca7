// An agent session, made up: its items as ops, and as a recording has them.

export const SESSION = "ses_browser0000000000000001";

export const session = (title, more = {}) => ({
  id: SESSION,
  slug: "made-up",
  title,
  directory: "/home/user/project",
  version: "1.18.33",
  time: { created: 1_795_196_036_000, updated: 1_795_196_036_000 },
  ...more,
});

export const message = (number, role = "assistant", more = {}) => ({
  id: `msg_${String(number).padStart(6, "0")}`,
  role,
  sessionID: SESSION,
  time: { created: 1_795_196_036_000 + number * 1000 },
  ...(role === "user"
    ? { agent: "build", model: { providerID: "fake", modelID: "fake-1" } }
    : { mode: "build", modelID: "fake-1", providerID: "fake", cost: 0.0123, tokens: TOKENS }),
  ...more,
});

const TOKENS = { input: 1200, output: 340, reasoning: 80, cache: { read: 900, write: 0 } };

export const text = (number, words, of = 1, more = {}) => part(number, of, { type: "text", text: words, ...more });

export const tool = (number, state, of = 1, name = "bash") => part(number, of, { type: "tool", tool: name, callID: `call_${number}`, state });

export const part = (number, of, fields) => ({
  id: `prt_${String(number).padStart(6, "0")}`,
  messageID: `msg_${String(of).padStart(6, "0")}`,
  sessionID: SESSION,
  ...fields,
});

/** The key of an item, and its kind. */
function keyed(value) {
  if (value.messageID) return { key: `part/${value.messageID}/${value.id}`, type: "part" };
  if (value.role) return { key: `message/${value.id}`, type: "message" };
  return { key: "session", type: "session" };
}

export const put = (value) => ({ op: "put", key: keyed(value).key, value });
export const grow = (value, words) => ({ op: "appendText", key: keyed(value).key, pointer: "/text", text: words });
export const item = (value) => ({ type: keyed(value).type, data: value });

/** A small session: a question, a thought, tools and an answer. */
export const SMALL = [
  session("Count the words of a file", { summary: { additions: 12, deletions: 3, files: 1 } }),
  message(1, "user"),
  text(1, "Count the words of `notes.md`, please, and say which is the **longest**."),
  message(2, "assistant"),
  part(2, 2, { type: "reasoning", text: "There is a command for that: `wc`.", time: { start: 1, end: 2 } }),
  tool(3, {
    status: "completed",
    input: { command: "wc -w notes.md", description: "Counts the words" },
    output: "1234 notes.md\n",
    title: "Counts the words",
    metadata: { exit: 0 },
    time: { start: 1_795_196_038_000, end: 1_795_196_038_400 },
  }, 2),
  tool(4, {
    status: "error",
    input: { filePath: "/home/user/project/missing.md" },
    error: "File not found: /home/user/project/missing.md",
    time: { start: 1_795_196_039_000, end: 1_795_196_039_100 },
  }, 2, "read"),
  tool(5, {
    status: "completed",
    input: { filePath: "/home/user/project/src/count.rs", oldString: "words()", newString: "split_whitespace()" },
    output: "Edit applied successfully.",
    title: "src/count.rs",
    metadata: {
      diff: "--- src/count.rs\n+++ src/count.rs\n@@ -1,3 +1,4 @@\n fn count(text: &str) -> usize {\n-    text.words().count()\n+    // What stands between white space is a word.\n+    text.split_whitespace().count()\n }\n",
    },
    time: { start: 1_795_196_040_000, end: 1_795_196_040_400 },
  }, 2, "edit"),
  text(6, [
    "The file has **1234** words.",
    "",
    "## How",
    "",
    "| command | what it counts |",
    "| --- | --- |",
    "| `wc -w` | words |",
    "| `wc -l` | lines |",
    "",
    "1. It reads the file,",
    "2. and counts what stands between white space.",
    "",
    "```rust",
    "fn count(text: &str) -> usize {",
    "    text.split_whitespace().count()",
    "}",
    "```",
    "",
    "> The longest is *internationalisation*, see [its page](https://example.org/i18n).",
  ].join("\n"), 2),
  tool(7, { status: "running", input: { command: "cargo test", description: "Runs the tests" }, title: "Runs the tests", time: { start: 1_795_196_041_000 } }, 2),
];
