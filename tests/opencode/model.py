"""A model that works by a script: an OpenAI-compatible server, whose every answer follows from the question alone.

A prompt `work N` makes N steps, each with some reasoning, a text and a tool call (`write`, `bash`, `read` in turn), and then an answer.
"""

import json
import re
import time

import web

MODEL = "scripted-1"
PROVIDER = "scripted"
# What a viewer must be shown unchanged: other alphabets, quotes, a line separator, a zero byte in words, markup.
HARD_TEXT = 'naïve – 日本語 🦀 "quoted" \\back\\slash \u2028 separated\ttab </script><b>&amp; \\u0000'
CHUNKS = 6


class Model:
    """The server. `pace_seconds` is what it takes for one piece of an answer."""

    def __init__(self, pace_seconds=0.02):
        self.pace_seconds = pace_seconds
        self.requests = 0
        # Called with each piece of an answer before it is sent.
        self.gate = lambda delta: None
        self.listener = web.Listener(self)
        self.url = self.listener.url + "/v1"

    def respond(self, request):
        asked = json.loads(request.body())
        self.requests += 1
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.send_header("connection", "close")
        request.end_headers()
        request.close_connection = True
        for delta, finish in deltas(asked):
            time.sleep(self.pace_seconds)
            self.gate(delta)
            request.wfile.write(event(delta, finish))
            request.wfile.flush()
        request.wfile.write(b"data: [DONE]\n\n")

    def close(self):
        self.listener.close()


def event(delta, finish):
    """One server-sent event of a streamed answer; the last one carries the usage."""
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if finish:
        chunk["usage"] = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def deltas(asked):
    """The pieces of the answer, each with the reason to finish where it is the last."""
    if not asked.get("tools"):
        # Without tools it is the agent's request for a title.
        yield {"role": "assistant", "content": "A scripted title"}, None
        yield {}, "stop"
        return
    number, steps, done = progress(asked["messages"])
    yield {"role": "assistant", "content": ""}, None
    yield from pieces("reasoning_content", f"Thinking of step {done} of prompt {number}. {HARD_TEXT} ")
    yield from pieces("content", f"Step {done} of prompt {number}: {HARD_TEXT} ")
    if done < steps:
        yield {"tool_calls": [tool_call(number, done)]}, None
        yield {}, "tool_calls"
    else:
        yield {}, "stop"


def pieces(name, text):
    for chunk in range(CHUNKS):
        yield {name: f"{text}({chunk}) "}, None


def progress(messages):
    """Which prompt this is, how many steps it asks for, and how many are done."""
    prompts = [index for index, message in enumerate(messages) if message["role"] == "user"]
    asked = re.search(r"work (\d+)", text_of(messages[prompts[-1]]))
    steps = int(asked[1]) if asked else 0
    done = sum(message["role"] == "tool" for message in messages[prompts[-1] :])
    return len(prompts), steps, done


def text_of(message):
    content = message["content"]
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def tool_call(number, step):
    """The tool call of a step. Paths are relative to the agent's folder."""
    path = f"file-{number}-{step - step % 3}.txt"
    name, arguments = [
        ("write", {"filePath": path, "content": f"{HARD_TEXT}\nprompt {number}, step {step}\n" * 5}),
        ("bash", {"command": f"for i in 1 2 3; do echo line $i; sleep 0.05; done; cat {path}", "description": "Shows a file"}),
        ("read", {"filePath": path}),
    ][step % 3]
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": 0, "id": f"call_{number}_{step}", "type": "function", "function": function}
