@0xb027694917b4ea8f;
# Ids and counters. Cap'n Proto has no newtypes; these aliases say what a field holds, and how many bytes.
#
# An id of the wrong length is refused as `invalidRequest`, naming the field.

using Uuid = Data;
# 16 bytes, network order. The aliases below say whose.

using ShareId = Uuid;
using GrantId = Uuid;
using OpId = Uuid;
using BatchId = Uuid;
using RequestId = Uuid;
# Makes minting repeatable: the same request id with the same content gives the same answer.

using OutboxId = Data;
# 16 bytes: the first 16 of SHA-256(outboxKey).

using OutboxKey = Data;
# 32 random bytes, minted by the client before anything is enqueued. Proves that a lane is one's own. In no op, log or error.

using HistoryId = Data;
# 16 bytes, made with a store and again at every restore from backup. Empty where a client does not know one yet.

using Nonce = Data;
# 16 random bytes that the client stores before it claims.

using Fingerprint = Data;
# 16 bytes that stand for an op's content:
#
#   first 16 bytes of SHA-256 over
#     the 10 bytes "share-op-1"
#     opId                                               16 bytes
#     count of dependsOn                                 u32 little-endian
#     each of dependsOn as ordered, outbox id filled in: outboxId 16 bytes, seq u64 little-endian, fingerprint 16 bytes
#     tag of the mutation                                one byte: put 1, merge 2, appendText 3, appendItem 4, remove 5
#     each field of the mutation in the schema's order:  its length as u32 little-endian, then its bytes exactly as sent
#
# Neither seq nor `was` goes in. A text's bytes are its UTF-8, without the zero byte that Cap'n Proto puts behind it.
# `test-vectors.json` beside this file lets a client check itself; `tests/interop/vectors.py` is this rule as a program.

using Chain = Data;
# 32 bytes: the running hash over the fingerprints of a writer's seqs 1, 2, 3 ... in that order, whatever became of the ops.
# chain(0) is 32 zero bytes; chain(n) is SHA-256 over the 48 bytes chain(n-1) then fingerprint(n). An abandoned seq counts with the
# fingerprint that was abandoned.

using SecretHash = Data;
# 32 bytes: SHA-256 of a secret.

using Secret = Data;
# 32 random bytes: what proves a grant.

using Seq = UInt64;
# A writer's own op counter from 1, given at enqueue, never reused. 0: before the first; invalid where a field names an op.

using Cursor = UInt64;
# Per share, the number of ops applied so far.

using Epoch = UInt64;
# Per share, from 1. Bumping it ends every grant and session of earlier epochs.

using Incarnation = UInt64;
# How often a writer has been claimed.

using WriterId = UInt32;
# The number that a share gives to a lane at its first append, from 1. 0: none yet. Means nothing outside one history.

using UnixMs = UInt64;
# Milliseconds since 1970-01-01 00:00 UTC. 0 where a time is optional: none.

using ByteCount = UInt64;
# Bytes.

struct Origin {
  # Who made a share or a grant.

  kind @0 :Kind;
  id @1 :Text;
  # Never empty; at most 1024 bytes.

  enum Kind {
    unset @0;
    user @1;
    agent @2;
    system @3;
    import @4;
  }
}
