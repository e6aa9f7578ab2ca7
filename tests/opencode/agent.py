"""Unmodified opencode: a process of its own in a home of its own, driven by its HTTP API."""

import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import urllib.parse

import model
import waiting
import web

START_SECONDS = 60
STOP_SECONDS = 20
PROMPT_SECONDS = 120
IMPORT_SECONDS = 60

_SWITCHES = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_CLAUDE_CODE": "1",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
    # It would install the package for plugins at each first start, which takes more time than all the rest.
    "npm_config_offline": "true",
}


def config(model_url, share_url):
    """What `opencode.json` would hold."""
    limit = {"context": 200000, "output": 8000}
    return {
        "share": "manual",
        "autoupdate": False,
        "enterprise": {"url": share_url},
        "model": f"{model.PROVIDER}/{model.MODEL}",
        "small_model": f"{model.PROVIDER}/{model.MODEL}",
        "enabled_providers": [model.PROVIDER],
        "permission": {"edit": "allow", "bash": "allow", "read": "allow", "external_directory": "allow"},
        "provider": {
            model.PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Scripted",
                "options": {"baseURL": model_url, "apiKey": "none"},
                "models": {model.MODEL: {"name": "Scripted 1", "tool_call": True, "reasoning": True, "limit": limit}},
            }
        },
    }


class Agent:
    """`opencode serve`. Its home outlives `stop` and `start`, as a person's does."""

    def __init__(self, binary, folder, model_url, share_url):
        self.binary = str(binary)
        self.home = pathlib.Path(folder) / "home"
        self.work = pathlib.Path(folder) / "project"
        self.log = pathlib.Path(folder) / "agent.log"
        self.settings = config(model_url, share_url)
        self.process = None
        self.url = None
        if not self.work.exists():
            self.home.mkdir(parents=True)
            self.work.mkdir()
            self.git("init", "--quiet")
            self.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "begin")

    def environment(self):
        """Nothing of ours but the path: neither this machine's settings nor its accounts."""
        folders = {name: str(self.home / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "OPENCODE_CONFIG_CONTENT": json.dumps(self.settings),
            **{f"XDG_{name}_HOME": folder for name, folder in folders.items()},
            **_SWITCHES,
        }

    def git(self, *arguments):
        subprocess.run(["git", *arguments], cwd=self.work, env=self.environment(), check=True)

    def start(self):
        output = open(self.log, "ab")
        begin = output.tell()
        command = [self.binary, "serve", "--hostname", "127.0.0.1", "--port", "0", "--print-logs"]
        with output:
            self.process = subprocess.Popen(
                command, cwd=self.work, env=self.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

        def address():
            if self.process.poll() is not None:
                raise AssertionError(f"opencode ended with {self.process.returncode}; see {self.log}")
            return re.search(rb"listening on (http://\S+)", self.log.read_bytes()[begin:])

        self.url = waiting.until(address, START_SECONDS, "address of opencode")[1].decode()
        return self

    def stop(self, how=signal.SIGTERM):
        """Ends the process, and sees it gone."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self.process = None

    def call(self, method, path, body=None, seconds=web.CALL_SECONDS):
        """Status and value of the answer to a call of the agent's API."""
        folder = urllib.parse.quote(str(self.work))
        return web.call(method, f"{self.url}{path}?directory={folder}", body, seconds)

    def done(self, method, path, body=None, seconds=web.CALL_SECONDS):
        """The value of an answer that must be a success."""
        status, value = self.call(method, path, body, seconds)
        if status >= 300:
            raise AssertionError(f"opencode answered {method} {path} with {status}: {value}; see {self.log}")
        return value

    def create(self):
        return self.done("POST", "/session", {})["id"]

    def prompt(self, session, text):
        """Sends a prompt, and waits until it is answered to the end."""
        self.done("POST", f"/session/{session}/message", said(text), PROMPT_SECONDS)

    def begin_prompt(self, session, text):
        """Sends a prompt, and does not wait."""
        self.done("POST", f"/session/{session}/prompt_async", said(text))

    def is_idle(self, session):
        return session not in self.done("GET", "/session/status")

    def wait_until_idle(self, session):
        waiting.until(lambda: self.is_idle(session), PROMPT_SECONDS, "end of the prompt")

    def share(self, session):
        """Shares the session, anew if it is shared; the URL."""
        return self.done("POST", f"/session/{session}/share")["share"]["url"]

    def unshare(self, session):
        self.done("DELETE", f"/session/{session}/share")

    def credentials(self, session):
        """What the agent itself keeps of a share: the `id` and `secret` that its syncs carry."""
        database = sqlite3.connect(f"file:{self.home / 'data' / 'opencode' / 'opencode.db'}?mode=ro", uri=True)
        with contextlib.closing(database):
            found = database.execute("SELECT id, secret FROM session_share WHERE session_id = ?", [session]).fetchone()
        return dict(zip(("id", "secret"), found, strict=True))

    def read_back(self, url):
        """Runs `opencode import URL` in this agent's home; what it printed."""
        command = [self.binary, "import", url]
        ended = subprocess.run(
            command, cwd=self.work, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=IMPORT_SECONDS,
        )
        if ended.returncode:
            raise AssertionError(f"opencode import ended with {ended.returncode}: {ended.stdout + ended.stderr}")
        return ended.stdout.decode()


def said(text):
    return {"parts": [{"type": "text", "text": text}]}
