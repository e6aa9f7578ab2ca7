"""Waits: each for a state, each with a bound."""

import time

POLL_SECONDS = 0.05


def until(look, seconds, what):
    """What `look()` gives as soon as it is true; an error with the last of it after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s; last seen: {seen!r}")
        time.sleep(POLL_SECONDS)
