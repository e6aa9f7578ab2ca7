"""What a scenario plays on: a folder, a model, and the processes that end with it."""

import contextlib
import pathlib

import agent
import faulty
import items
import link
import model
import reference
import share
import waiting

# From the agent's last change to the last item on the server, in every scenario that must lose nothing.
WHOLE_SECONDS = 90
# The last file is written before the last steps, so that what follows from it is known when the prompt ends.
STEPS = 5
PROMPT = f"work {STEPS}"


class Stage(contextlib.ExitStack):
    """Made per scenario; whatever it started ends with it, by its own handle."""

    def __init__(self, folder, opencode, binary):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.opencode = opencode
        self.binary = binary
        self.model = model.Model()
        self.callback(self.model.close)

    def closing(self, thing):
        self.callback(thing.close)
        return thing

    def stopping(self, process):
        self.callback(process.stop)
        return process.start()

    def reference(self):
        return self.closing(reference.Reference())

    def faulty(self, target):
        return self.closing(faulty.Faulty(target))

    def link(self, late_seconds):
        return self.closing(link.Link(late_seconds))

    def server(self, advertised_port=None):
        return self.stopping(share.Server(self.binary, self.folder, advertised_port))

    def bridge(self, server, public_url=None):
        """A bridge to a server; `public_url` for a bridge that can't ask the server for it."""
        return self.stopping(share.Bridge(self.binary, self.folder, server.factory, public_url))

    def agent(self, share_url, name="agent"):
        return self.stopping(agent.Agent(self.opencode, self.folder / name, self.model.url, share_url))


class Shared:
    """A session that is shared, and the server where it must be found whole."""

    def __init__(self, who, server_url):
        self.agent = who
        self.server_url = server_url
        self.session = who.create()
        self.share()

    def share(self):
        """Shares it, or shares it anew."""
        self.url = self.agent.share(self.session)
        self.id = items.share_of(self.url)

    def prompt(self):
        self.agent.prompt(self.session, PROMPT)

    def expected(self):
        return items.of_agent(self.agent, self.session)

    def difference(self):
        """What the share lacks, or has too much; `None` where the server knows no such share."""
        actual = items.of_share(self.server_url, self.id)
        return None if actual is None else items.difference(self.expected(), actual)

    def wait_until_whole(self):
        """Waits until the share holds exactly what the agent has; how many items."""
        last = ["nothing"]

        def whole():
            different = self.difference()
            last[0] = "no such share" if different is None else str(different)
            return different is not None and not different

        try:
            waiting.until(whole, WHOLE_SECONDS, "whole share")
        except AssertionError:
            raise AssertionError(f"after {WHOLE_SECONDS} s the share lacks something: {last[0]}") from None
        return len(self.expected())

    def wait_until_gone(self):
        waiting.until(lambda: items.of_share(self.server_url, self.id) is None, WHOLE_SECONDS, "404 for the data")
