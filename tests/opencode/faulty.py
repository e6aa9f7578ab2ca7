"""An HTTP proxy that hands requests on and sees what got through, with a fault in between."""

import contextlib
import dataclasses
import http.client
import json
import threading
import time
import urllib.parse

import items
import waiting
import web

FORWARD_SECONDS = 60
# From the agent's last change to its last sync.
SENT_SECONDS = 30
OVERTAKEN_SECONDS = 30
HELD_SECONDS = 60
# What belongs to one connection, or asks for an encoding that is not read here.
_OURS = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "accept-encoding"}


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens to every `every`-th sync, or other request where `of` says so.

    With `overtaken` a sync that holds something unfinished is kept back until its finished version has got through.
    """

    name: str
    overtaken: bool = False
    answer_late_seconds: float = 0
    forwards: bool = True
    status: int | None = None
    answers: bool = True
    every: int = 1
    of: tuple = ("sync",)


NONE = Fault("none", of=())
CUT = Fault("every connection cut", forwards=False, answers=False)
UNAVAILABLE = Fault("status 503", forwards=False, status=503)
LATE = Fault("every answer 3.5 s late", answer_late_seconds=3.5, of=("sync", "create", "delete"))
OVERTAKEN = Fault("syncs overtaken by later ones", overtaken=True, every=2)
SYNC_ANSWER_LOST = Fault("the answer to every second sync lost", answers=False, every=2)
DELETE_ANSWER_LOST = Fault("the answer to a delete lost", answers=False, of=("delete",))


def kind_of(method, path):
    if method == "DELETE":
        return "delete"
    if method == "POST":
        return "sync" if path.endswith("/sync") else "create"
    return "read"


def share_in(path):
    return path.split("/")[3]


def unfinished(sent):
    """The identities of the items that are to change yet."""
    return {key for key, data in sent.items() if not items.is_finished(key, data)}


class Faulty:
    """The proxy. `sent` is the last word on each item that the agent sent, by share, whatever became of it."""

    def __init__(self, target):
        self.target = target
        # Guards what follows; told when a request is done, or may pass again.
        self.lock = threading.Condition()
        self.is_held = False
        self.fault = NONE
        self.struck = 0
        self.candidates = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self.sent = {}
        self.finished = set()
        self.failed = []
        self.listener = web.Listener(self)
        self.url = self.listener.url

    @contextlib.contextmanager
    def faults(self, fault):
        """The fault is there inside the block, and must have struck."""
        self.fault, self.struck, self.candidates = fault, 0, 0
        yield
        self.fault = NONE
        if not self.struck:
            raise AssertionError(f"the fault `{fault.name}` struck nothing")
        self.expect_none_failed()

    def expect_none_failed(self):
        """The agent sends nothing twice, so that whatever was not taken behind this proxy is lost."""
        if self.failed:
            raise AssertionError(f"{len(self.failed)} requests were not taken, first {self.failed[0]}")

    @contextlib.contextmanager
    def held(self):
        """No request is under way inside the block; those that come wait for its end."""
        with self.lock:
            self.is_held = True
            if not self.lock.wait_for(lambda: not self.in_flight, HELD_SECONDS):
                raise AssertionError(f"{self.in_flight} requests are still under way after {HELD_SECONDS} s")
        yield
        with self.lock:
            self.is_held = False
            self.lock.notify_all()

    def respond(self, request):
        kind = kind_of(request.command, request.path)
        body = request.body()
        sent = items.by_identity(json.loads(body)["data"]) if kind == "sync" else {}
        with self.lock:
            self.lock.wait_for(lambda: not self.is_held, HELD_SECONDS)
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)
            fault = self.meets(kind, sent)
            if kind == "sync":
                self.sent.setdefault(share_in(request.path), {}).update(sent)
        try:
            self.carry(request, body, sent, fault)
        finally:
            with self.lock:
                self.in_flight -= 1
                self.lock.notify_all()

    def meets(self, kind, sent):
        """The fault that a request meets."""
        if kind not in self.fault.of or (self.fault.overtaken and not unfinished(sent)):
            return NONE
        self.candidates += 1
        if self.candidates % self.fault.every:
            return NONE
        self.struck += 1
        return self.fault

    def carry(self, request, body, sent, fault):
        """Hands a request on, and its answer back, as far as the fault lets it."""
        if fault.overtaken:
            self.hold_until_overtaken(unfinished(sent))
        status, answer = fault.status, b"{}"
        if fault.forwards:
            try:
                status, answer = self.forward(request, body)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{request.command} {request.path}: {error}")
                request.close_connection = True
                return
            if status >= 300:
                self.failed.append(f"{request.command} {request.path}: {status} {answer[:200]!r}")
            with self.lock:
                self.finished.update(sent.keys() - unfinished(sent))
        time.sleep(fault.answer_late_seconds)
        if fault.answers:
            request.answer(status, json.loads(answer or b"null"))
        else:
            request.close_connection = True

    def hold_until_overtaken(self, keys):
        """Waits until one of the items has got through in its finished version."""

        def overtaken():
            with self.lock:
                return not self.finished.isdisjoint(keys)

        try:
            waiting.until(overtaken, OVERTAKEN_SECONDS, "later version")
        except AssertionError:
            self.failed.append(f"nothing overtook a sync of {', '.join(sorted(keys))} within {OVERTAKEN_SECONDS} s")

    def forward(self, request, body):
        """Hands a request on; status and body of the answer."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.target).netloc, timeout=FORWARD_SECONDS)
        with contextlib.closing(connection):
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
            connection.request(request.command, request.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def wait_until_sent(self, share, expected):
        """Waits until the agent has sent all that `expected()` gives, and nothing is under way any more."""
        last = ["nothing"]

        def sent():
            with self.lock:
                lacks = items.difference(expected(), self.sent.get(share, {}))
                last[0] = f"{lacks}, {self.in_flight} under way"
                return not lacks and not self.in_flight

        try:
            waiting.until(sent, SENT_SECONDS, "sync of everything")
        except AssertionError:
            raise AssertionError(f"after {SENT_SECONDS} s the agent has not sent everything: {last[0]}") from None

    def close(self):
        self.listener.close()
