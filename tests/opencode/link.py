"""A TCP link whose answers come late: a long way, not a narrow one."""

import queue
import socket
import threading
import time

CHUNK_BYTES = 65536
CHUNKS_MAX = 4096


class Link:
    """Listens on a free port, and joins each connection with `target`, once that is known."""

    def __init__(self, late_seconds):
        self.late_seconds = late_seconds
        self.target = None
        self.delayed = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self._join(near, far)

    def _join(self, near, far):
        """Requests at once, answers after their time, in order."""
        answers = queue.Queue(CHUNKS_MAX)
        for work in (
            lambda: _pump(near, lambda chunk: _send(far, chunk)),
            lambda: _pump(far, lambda chunk: answers.put((time.monotonic() + self.late_seconds, chunk))),
            lambda: self._deliver(answers, near),
        ):
            threading.Thread(target=work, daemon=True).start()

    def _deliver(self, answers, near):
        chunk = b"-"
        while chunk:
            due, chunk = answers.get()
            time.sleep(max(0, due - time.monotonic()))
            self.delayed += 1
            _send(near, chunk)

    def close(self):
        self.listener.close()


def _pump(source, give):
    """Gives each chunk that comes, and an empty one at the end."""
    chunk = b"-"
    while chunk:
        try:
            chunk = source.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        give(chunk)


def _send(target, chunk):
    """Sends a chunk, or passes on that there are no more."""
    try:
        if chunk:
            target.sendall(chunk)
        else:
            target.shutdown(socket.SHUT_WR)
    except OSError:
        # Whoever hung up is noticed by the pump in the other direction.
        pass
