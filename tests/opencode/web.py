"""JSON over HTTP: calls to the agent and to the server, and answers of the servers that stand here."""

import http.server
import json
import threading
import urllib.error
import urllib.request

CALL_SECONDS = 30
# Neither the agent nor we go through a proxy that the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreachable(Exception):
    """Nobody answered, or not to the end."""


def call(method, url, body=None, seconds=CALL_SECONDS, headers=None):
    """Status and JSON value of the answer; the value is `None` where it is not JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} | (headers or {}), method=method)
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    except OSError as error:
        raise Unreachable(f"{method} {url}: {error}") from error
    try:
        return status, json.loads(text)
    except ValueError:
        return status, None


class Handler(http.server.BaseHTTPRequestHandler):
    """A request to a `Listener`, which its `owner` answers."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing: what matters is recorded by who answers."""

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def respond(self):
        try:
            self.server.owner.respond(self)
        except OSError:
            # The other side went away, which it may.
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = respond


class Listener(http.server.ThreadingHTTPServer):
    """A server on a free port of the loopback, each request in a thread; `owner.respond(request)` answers it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, owner):
        super().__init__(("127.0.0.1", 0), Handler)
        self.owner = owner
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A connection that broke is no news."""

    def close(self):
        self.shutdown()
        self.server_close()
