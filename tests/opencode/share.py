"""`share serve` and `share bridge`: processes that are killed, and started again where they were."""

import os
import pathlib
import re
import signal
import subprocess

import waiting

START_SECONDS = 30
STOP_SECONDS = 30
# Neither refs nor settings of whoever runs this. Of a panic the log's end shows the words, not the stack.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SHARE_")} | {"RUST_BACKTRACE": "0"}


class Process:
    """A `share` command that listens. `start` after an end takes the same ports and the same folder."""

    def __init__(self, binary, folder, name):
        self.binary = str(binary)
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder.with_suffix(".log")
        self.process = None
        self.starts = 0

    def command(self):
        """The arguments, with the ports of the first start."""
        raise NotImplementedError

    def printed(self, pattern, begin):
        """What a line of the output says, once it is there."""

        def found():
            if self.process.poll() is not None:
                raise AssertionError(f"`share` ended with {self.process.returncode}; see {self.log}")
            return re.search(pattern, self.log.read_bytes()[begin:])

        return waiting.until(found, START_SECONDS, f"line with `{pattern.decode()}` in {self.log}")[1].decode()

    def launch(self):
        """Starts the process; the offset in its log from where on it speaks."""
        with open(self.log, "ab") as output:
            begin = output.tell()
            command = [self.binary, *self.command()]
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.starts += 1
        return begin

    def kill(self):
        """Ends the process by SIGKILL, and sees it gone."""
        self.stop(signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"`share` did not end within {STOP_SECONDS} s; see {self.log}") from None
        finally:
            self.process = None


class Server(Process):
    """`share serve` with both faces: `url` is the HTTP one, `factory` the ref with which a bridge creates shares."""

    def __init__(self, binary, folder, advertised_port=None):
        super().__init__(binary, folder, "server")
        self.listen = "127.0.0.1:0"
        self.http = "127.0.0.1:0"
        self.advertised = [] if advertised_port is None else ["--advertise", f"127.0.0.1:{advertised_port}"]
        self.factory = self.folder / "data" / "factory.ref"

    def command(self):
        data = str(self.folder / "data")
        return ["serve", "--data", data, "--listen", self.listen, "--http", self.http, *self.advertised]

    def start(self):
        begin = self.launch()
        self.listen = self.printed(rb"listening on (\S+)\n", begin)
        self.url = self.printed(rb"http on (http://\S+)\n", begin)
        self.http = self.url.removeprefix("http://")
        return self

    @property
    def port(self):
        return int(self.listen.rsplit(":", 1)[1])


class Bridge(Process):
    """`share bridge` between an agent and the server whose factory it was given."""

    def __init__(self, binary, folder, factory, public_url=None):
        super().__init__(binary, folder, "bridge")
        self.factory = factory
        self.public = [] if public_url is None else ["--public-url", public_url]
        self.listen = "127.0.0.1:0"
        self.token = self.folder / "bridge" / "plugin.token"

    def command(self):
        files = ["--state", str(self.folder / "state.sqlite"), "--registry", str(self.folder / "registry.sqlite")]
        return ["bridge", "--to", f"@{self.factory}", "--listen", self.listen, *files, *self.public]

    def start(self):
        begin = self.launch()
        self.url = self.printed(rb"bridge on (http://\S+)\n", begin)
        self.listen = self.url.removeprefix("http://")
        return self
