"""The schema's test vectors, computed by the rules in schema/ids.capnp with nothing but hashlib.

    python tests/interop/vectors.py            compares schema/test-vectors.json with what the rules give
    python tests/interop/vectors.py --write    fills in what the rules give for the file's inputs
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

FILE = pathlib.Path(__file__).resolve().parents[2] / "schema" / "test-vectors.json"

# The mutation's tag in a fingerprint, and its fields in the schema's order.
MUTATIONS = {
    "put": (1, ["key", "json"]),
    "merge": (2, ["key", "json"]),
    "appendText": (3, ["key", "pointer", "text"]),
    "appendItem": (4, ["key", "pointer", "json"]),
    "remove": (5, ["key"]),
}


def sha256(data):
    return hashlib.sha256(data).digest()


def text(value):
    """A text of the file: itself, or a piece that is repeated."""
    if isinstance(value, dict):
        return value["repeat"] * value["times"]
    return value


def outbox_id(outbox_key):
    return sha256(outbox_key)[:16]


def fingerprint(lane, op):
    """16 bytes that stand for `op`, first enqueued in the lane with the outbox id `lane`."""
    data = b"share-op-1" + bytes.fromhex(op["id"])
    data += struct.pack("<I", len(op["dependsOn"]))
    for dependency in op["dependsOn"]:
        data += bytes.fromhex(dependency["outboxId"]) or lane
        data += struct.pack("<Q", int(dependency["seq"]))
        data += bytes.fromhex(dependency["fingerprint"])
    ((name, fields),) = op["mutation"].items()
    tag, names = MUTATIONS[name]
    data += bytes([tag])
    for field in names:
        sent = text(fields[field]).encode()
        data += struct.pack("<I", len(sent)) + sent
    return sha256(data)[:16]


def then(chain, of):
    """The chain one op further."""
    return sha256(chain + of)


def fill(vectors):
    """The file with every expected value as the rules give it."""
    for outbox in vectors["outboxes"]:
        outbox["outboxId"] = outbox_id(bytes.fromhex(outbox["outboxKey"])).hex()
    for secret in vectors["secrets"]:
        data = bytes.fromhex(secret["secret"])
        secret["text"] = base64.urlsafe_b64encode(data).decode().rstrip("=")
        secret["secretHash"] = sha256(data).hex()
    chain = bytes(32)
    for case in vectors["ops"]:
        of = fingerprint(bytes.fromhex(vectors["lane"]), case["op"])
        chain = then(chain, of)
        case["fingerprint"] = of.hex()
        case["chain"] = chain.hex()
    return vectors


def differences():
    """How many vectors there are, and the names of those that the rules contradict."""
    committed = json.loads(FILE.read_text(encoding="utf-8"))
    expected = fill(json.loads(FILE.read_text(encoding="utf-8")))
    count, wrong = 0, []
    for group in ("outboxes", "secrets", "ops"):
        for is_, should in zip(committed[group], expected[group], strict=True):
            count += 1
            if is_ != should:
                wrong.append(is_["name"])
    return count, wrong


def main():
    if sys.argv[1:] == ["--write"]:
        vectors = fill(json.loads(FILE.read_text(encoding="utf-8")))
        FILE.write_text(json.dumps(vectors, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
        return 0
    count, wrong = differences()
    for name in wrong:
        print(f"not as the rules give it: {name}")
    print(f"{count - len(wrong)} vectors as the rules give them, {len(wrong)} not")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
