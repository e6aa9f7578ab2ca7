"""Reads the JSON of one `share demo` and fails unless the result is exact and every fault happened.

Usage: verdict.py LABEL < demo.json
"""

import json
import sys

AT_LEAST = {
    "keys": 1,
    "duplicates": 1,
    "resent": 1,
    "server_kills": 2,
    "client_kills": 2,
    "lost_replies": 3,
    "copies": 1,
    "restores": 1,
    "revocations": 1,
}


def wrongs(demo):
    """What is wrong with a demo's result, one text each."""
    if demo.get("exact") is not True:
        yield f"exact is {demo.get('exact')!r}, not true"
    for name, least in AT_LEAST.items():
        value = demo.get(name)
        if type(value) is not int or value < least:
            yield f"{name} is {value!r}, wanted at least {least}"


def main():
    label = sys.argv[1]
    try:
        demo = json.load(sys.stdin)
    except ValueError as error:
        sys.exit(f"error: {label}: the demo printed no JSON: {error}")
    if not isinstance(demo, dict):
        sys.exit(f"error: {label}: the demo printed no object but {demo!r}")
    found = list(wrongs(demo))
    if found:
        sys.exit(f"error: {label}: {'; '.join(found)}\n{json.dumps(demo)}")
    counts = " ".join(f"{name}={demo[name]}" for name in AT_LEAST)
    print(f"{label}: exact, {counts}, {demo.get('elapsed_ms')} ms")


if __name__ == "__main__":
    main()
