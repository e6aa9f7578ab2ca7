"""The agent talks to `share bridge` and has our plugin in it: viewers see text as it grows, and `opencode run` leaves nothing behind."""

import contextlib
import json
import os
import pathlib
import re
import subprocess

import agent
import install
import items
import stage
import waiting
import web

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "integrations" / "opencode" / "src" / "index.ts"
# Runs of `opencode run` that must leave nothing behind; more of them by hand.
RUNS = int(os.environ.get("SHARE_PLUGIN_RUNS", "3"))
RUN_STEPS = 2
RUN_PROMPT = f"work {RUN_STEPS}"
RUN_SECONDS = 300
# The pieces of a text that wait until a viewer has seen the one before; those before them may be seen as one.
FIRST_GATED = 3
SEEN_SECONDS = 60
DRAIN_MS = 30000


def plug(who, bridge):
    """Gives an agent the plugin, which proves itself to that bridge."""
    who.settings["plugin"] = [[PLUGIN.as_uri(), {"token": str(bridge.token)}]]
    # With a plugin opencode waits until the package for plugins is installed, which ours does not need: here it is.
    installed = who.home / "config" / "opencode"
    (installed / "node_modules").mkdir(parents=True)
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": install.VERSION}}}}
    (installed / "package-lock.json").write_text(json.dumps(lock))


class Runner:
    """An agent that is run once for each prompt, as `opencode run --share` is, and a bridge to a server."""

    def __init__(self, on, plugin=True):
        self.on = on
        self.server = on.server()
        self.bridge = on.bridge(self.server)
        self.agent = agent.Agent(on.opencode, on.folder / "agent", on.model.url, self.bridge.url)
        if plugin:
            plug(self.agent, self.bridge)

    def run(self):
        """One run to its end."""
        with self.begin() as running:
            self.end(running)

    @contextlib.contextmanager
    def begin(self):
        command = [self.agent.binary, "run", "--share", "--print-logs", RUN_PROMPT]
        with open(self.agent.log, "ab") as output:
            running = subprocess.Popen(
                command, cwd=self.agent.work, env=self.agent.environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def end(self, running):
        code = running.wait(RUN_SECONDS)
        if code:
            raise AssertionError(f"opencode run ended with {code}; see {self.agent.log}")

    def shared(self):
        """All sessions of the agent, which goes on as a server so that it can be asked."""
        self.on.stopping(self.agent)
        sessions = self.agent.done("GET", "/session", seconds=RUN_SECONDS)
        return [Ended(self.agent, self.server.url, one["id"]) for one in sessions]

    def wait_until_whole(self, count):
        """Waits until the share of each of so many sessions is whole; how many items they have."""
        shared = self.shared()
        if len(shared) != count:
            raise AssertionError(f"the agent has {len(shared)} sessions, not {count}")
        return sum(one.wait_until_whole() for one in shared)

    def drain(self, session, share):
        """Waits until the server has answered for all that the bridge has."""
        query = f"share={share}&acked=true&deadline_ms={DRAIN_MS}"
        url = f"{self.bridge.url}/local/sessions/{session}/drained?{query}"
        proof = {"authorization": f"Bearer {self.bridge.token.read_text().strip()}"}
        status, said = web.call("POST", url, {}, DRAIN_MS / 1000 + 5, proof)
        if status != 200 or not said["drained"]:
            raise AssertionError(f"the bridge is not drained: {status}, {said}")


class Ended(stage.Shared):
    """A session that was shared, and whose run has ended."""

    def __init__(self, who, server_url, session):
        self.agent = who
        self.server_url = server_url
        self.session = session
        self.id = who.credentials(session)["id"]


def a_run_leaves_nothing_behind(on):
    runner = Runner(on)
    for _ in range(RUNS):
        runner.run()
    return f"{RUNS} runs, {runner.wait_until_whole(RUNS)} items"


def without_the_plugin_the_end_of_a_run_is_missing(on):
    """What the plugin is there for; and that its lack would be seen."""
    runner = Runner(on, plugin=False)
    runner.run()
    [shared] = runner.shared()
    runner.drain(shared.session, shared.id)
    different = shared.difference()
    if not different:
        raise AssertionError("nothing is missing, although nothing brought it")
    return str(different)


def a_viewer_sees_text_before_its_part_ends(on):
    """In the middle of a text the model sends nothing more until a viewer of the share has seen what it sent."""
    runner = Runner(on)
    seen = on.folder / "tail.log"
    met = []

    def gate(delta):
        piece = re.match(r"Step 1 .*\((\d)\) $", delta.get("content") or "", re.DOTALL)
        if piece and int(piece[1]) >= FIRST_GATED:
            last = f"({int(piece[1]) - 1}) "
            waiting.until(lambda: lines_with(seen, last), SEEN_SECONDS, f"text up to `{last}` in {seen}")
            met.append(last)

    on.model.gate = gate
    with runner.begin() as running:
        on.enter_context(tail(runner, on.folder, seen))
        runner.end(running)
    appended = [line for line in lines_with(seen, "") if " appendText " in line]
    if len(met) < 2 or len(appended) < len(met) - 1:
        raise AssertionError(f"{len(met)} pieces were seen, and {len(appended)} appended: {appended}")
    return f"{runner.wait_until_whole(1)} items, {len(met)} pieces seen before the next one was sent"


def lines_with(seen, text):
    """What a tail printed of the text of the model's second step, if it has this in it."""
    lines = seen.read_text(errors="replace").splitlines()
    return [line for line in lines if " part/" in line and "Step 1 " in line and text in line]


@contextlib.contextmanager
def tail(runner, folder, seen):
    """A viewer in a terminal, from when the share is there."""
    def reference():
        records = [json.loads(path.read_bytes()) for path in runner.bridge.token.parent.glob("*.share")]
        return records and items.of_share(runner.server.url, records[0]["slug"]) is not None and records[0]["reference"]

    seen.touch()
    place = folder / "tail.ref"
    place.write_text(waiting.until(reference, SEEN_SECONDS, "share on the server"))
    with open(seen, "wb") as output, open(seen.with_suffix(".errors.log"), "wb") as errors:
        watching = subprocess.Popen(
            [runner.bridge.binary, "tail", f"@{place}"], stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
    try:
        yield
    finally:
        watching.kill()
        watching.wait()


def a_bridge_that_is_killed_during_a_run_costs_nothing(on):
    """Killed in the middle of each text, and away at the end until opencode has nothing to do but wait for it."""
    runner = Runner(on)
    kills = []

    def gate(delta):
        content = delta.get("content") or ""
        if content.startswith(f"Step {len(kills)} ") and "(2)" in content:
            kills.append(content)
            runner.bridge.kill()
        elif content.startswith("Step ") and "(4)" in content and len(kills) <= RUN_STEPS:
            runner.bridge.start()

    on.model.gate = gate
    with runner.begin() as running:
        waiting.until(lambda: b"disposing instance" in runner.agent.log.read_bytes(), RUN_SECONDS, "end of the prompt")
        away = runner.bridge.process is None
        runner.bridge.start()
        runner.end(running)
    if not away or len(kills) != RUN_STEPS + 1:
        raise AssertionError(f"the bridge was killed {len(kills)} times, and was {'' if away else 'not '}away at the end")
    return f"{runner.wait_until_whole(1)} items, {len(kills)} kills of the bridge"


def what_a_revert_took_back_is_gone_from_the_share(on):
    """opencode says nothing of what is gone to a share server: without the plugin it stays there."""
    runner = Runner(on)
    shared = stage.Shared(on.stopping(runner.agent), runner.server.url)
    for _ in range(2):
        shared.agent.prompt(shared.session, RUN_PROMPT)
    before = shared.wait_until_whole()
    asked = [key for key, data in shared.expected().items() if key.startswith("message/") and data["role"] == "user"]
    shared.agent.done("POST", f"/session/{shared.session}/revert", {"messageID": sorted(asked)[-1].removeprefix("message/")})
    shared.agent.prompt(shared.session, "work 0")
    after = shared.wait_until_whole()
    if after >= before:
        raise AssertionError(f"the session has {after} items, and had {before} before the revert")
    return f"{before} items before, {after} after"


SCENARIOS = [
    a_run_leaves_nothing_behind,
    a_viewer_sees_text_before_its_part_ends,
    a_bridge_that_is_killed_during_a_run_costs_nothing,
    what_a_revert_took_back_is_gone_from_the_share,
    without_the_plugin_the_end_of_a_run_is_missing,
]
