"""A server that does what opencode's own does: it keeps what arrived last, in memory, and asks nobody to send again.

It is here so that the driver can be seen to tell a loss from none, before it judges a server that must lose nothing.
"""

import json
import re
import secrets
import threading
import urllib.parse

import items
import web

ROUTE = re.compile(r"/api/share(?:/([A-Za-z0-9_-]+))?(?:/(sync|data))?")


class Reference:
    """The server. `syncs` counts those that it took."""

    def __init__(self):
        self.lock = threading.Lock()
        self.shares = {}
        self.syncs = 0
        self.listener = web.Listener(self)
        self.url = self.listener.url

    def respond(self, request):
        found = ROUTE.fullmatch(urllib.parse.urlsplit(request.path).path)
        body = request.body()
        if not found:
            return request.answer(404, {"error": "there is no such route"})
        share, action = found.groups()
        asked = json.loads(body) if body else {}
        with self.lock:
            status, value = self.decide(request.command, share, action, asked)
        return request.answer(status, value)

    def decide(self, method, share, action, asked):
        """Status and value of the answer."""
        if method == "POST" and share is None:
            return self.create()
        kept = self.shares.get(share)
        if kept is None:
            return 404, {"error": f"Share not found: {share}"}
        if method == "GET" and action == "data":
            return 200, [kept["items"][key] for key in sorted(kept["items"])]
        if asked.get("secret") != kept["secret"]:
            return 403, {"error": "Invalid secret"}
        if method == "DELETE":
            del self.shares[share]
        else:
            self.syncs += 1
            kept["items"].update({items.identity(item): item for item in asked["data"]})
        return 200, {}

    def create(self):
        share = secrets.token_hex(8)
        secret = secrets.token_hex(16)
        self.shares[share] = {"secret": secret, "items": {}}
        return 200, {"id": share, "secret": secret, "url": f"{self.url}/share/{share}"}

    def close(self):
        self.listener.close()
