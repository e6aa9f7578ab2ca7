"""Requests made at random from the face's own description, right ones and wrong ones: each must be answered as the description says.

    pip install schemathesis        (docs/HACKING.md names the version)
    python tests/schemathesis/run.py --share PATH_TO_SHARE_BINARY [--seed N] [--examples N]

Starts `share serve` with its HTTP face on a free port and a data folder of its own, and ends it again; `--url` asks a face that
runs already. Every wait has a bound. The seed is printed; the same one makes the same requests.
"""

import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
START_SECONDS = 30
STOP_SECONDS = 30
ALL_SECONDS = 600
# Lines of the server's log that are shown when something failed.
LOG_LINES = 50


class Server:
    """`share serve`, and the URL of its HTTP face."""

    def __init__(self, binary, data):
        listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        command = [binary, "serve", "--data", data, *listen]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.log = []
        self.url = None
        self.is_found = threading.Event()
        threading.Thread(target=self._read_log, daemon=True).start()
        threading.Thread(target=self._read_output, daemon=True).start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())

    def _read_output(self):
        # Read to its end, so that the server never waits for a reader.
        for line in self.process.stdout:
            found = re.fullmatch(r"http on (http://\S+)", line.decode(errors="replace").strip())
            if found and self.url is None:
                self.url = found[1]
                self.is_found.set()

    def wait_until_ready(self):
        if not self.is_found.wait(START_SECONDS):
            raise AssertionError(f"the server did not say where its HTTP face is; its log: {self.log}")
        return self.url

    def stop(self):
        """Ends the server; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"the server did not end within {STOP_SECONDS} s of SIGTERM") from None


def health(url):
    """What the face says of itself."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=START_SECONDS) as answer:
        return json.load(answer)


def check(url, seed, examples):
    """Asks the face at `url`; an exit code."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{url}/api/openapi.json"),
        *("--seed", str(seed), "--max-examples", str(examples)),
        # A wrong secret is answered as a share that is not there.
        *("--checks", "all", "--exclude-checks", "ensure_resource_availability"),
        *("--continue-on-failure", "--no-color", "--request-timeout", "10"),
    ]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="share-schemathesis-") as folder:
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": path}
        run = subprocess.run(command, cwd=folder, env=environment, timeout=ALL_SECONDS, check=False)
    if health(url) != {"status": "ready"}:
        raise AssertionError("the face is not ready after it was asked")
    return run.returncode


def check_server(binary, seed, examples):
    """As `check`, of a server of its own."""
    with tempfile.TemporaryDirectory(prefix="share-schemathesis-data-") as data:
        server = Server(os.path.abspath(binary), data)
        try:
            code = check(server.wait_until_ready(), seed, examples)
        finally:
            stopped = server.stop()
        if stopped:
            print(f"the server ended with {stopped}", file=sys.stderr)
        if code or stopped:
            print("the server's log:", *server.log[-LOG_LINES:], sep="\n", file=sys.stderr)
        return code or stopped


def main():
    parser = argparse.ArgumentParser(description="checks an HTTP face against its own description")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--share", help="the `share` binary")
    where.add_argument("--url", help="where a face is, without a path")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="makes the same requests again")
    parser.add_argument("--examples", type=int, default=40, help="requests for each route at most")
    arguments = parser.parse_args()
    if arguments.url:
        return check(arguments.url, arguments.seed, arguments.examples)
    return check_server(arguments.share, arguments.seed, arguments.examples)


if __name__ == "__main__":
    sys.exit(main())
