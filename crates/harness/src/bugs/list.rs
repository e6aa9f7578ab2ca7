//! The planted bugs by name (`share_model::planted`).

/// Every planted bug: its name, and what the wrong variant does. A check of the tree sees to it that
/// this list and the places where bugs are planted name the same.
pub const PLANTED: &[(&str, &str)] = &[
    // Repeats: the ledger and the append path.
    (
        "no-fingerprint-check",
        "an identity is looked up by outbox and seq alone, whatever the op says",
    ),
    (
        "duplicate-for-other",
        "an op at a recorded seq is answered `duplicate` though its content is another",
    ),
    (
        "settled-answered-duplicate",
        "a seq at or below the floor is answered `duplicate`, not `alreadySettled`",
    ),
    (
        "ledger-apart",
        "the ledger is stored with checkpoints only, apart from the ops: a restart loses the rest",
    ),
    (
        "eviction-by-age",
        "the ledger keeps a lane's newest outcomes only and takes older ones for never applied",
    ),
    (
        "floor-moved-by-server",
        "the server settles a lane by itself with each append",
    ),
    (
        "window-unbounded",
        "neither side keeps to the window between floor and highest",
    ),
    (
        "append-twice-on-retry",
        "an op that is repeated changes the document again, though it is answered `duplicate`",
    ),
    (
        "outcome-order-swapped",
        "an ack lists rejected ops behind the others, whatever their order in the batch",
    ),
    (
        "cursor-skips",
        "a rejected op takes a cursor in the ack: the applied ones behind it are told too high",
    ),
    (
        "fenced-writer-still-appends",
        "incarnation and nonce of an appender are not compared with the lane's",
    ),
    (
        "refusal-keeps-appender",
        "a refused batch does not end its appender: what is pipelined behind is looked at",
    ),
    (
        "claim-not-repeatable",
        "a claim that is repeated with its nonce counts as another one's",
    ),
    // Groups and dependencies.
    (
        "atomic-group-applied-partly",
        "where one op of an atomic group is invalid, the others are applied",
    ),
    (
        "expected-cursor-ignored",
        "a compare-and-append is applied at any cursor",
    ),
    (
        "dependencies-not-checked",
        "an op is applied though what it depends on is not",
    ),
    (
        "dependency-on-abandoned-met",
        "a dependency on an abandoned op counts as met",
    ),
    // Copies, restores, abandonment.
    (
        "requeue-memory-not-checked",
        "an op that arrives by its first lane is not looked up among re-queued ones",
    ),
    (
        "abandoned-comes-back",
        "abandoned identities are forgotten once they are settled",
    ),
    (
        "checkpoint-loses-remembered",
        "a checkpoint leaves out the identities remembered from re-queues",
    ),
    (
        "requeue-without-was",
        "an op that is re-queued does not name its first identity",
    ),
    (
        "chain-not-compared",
        "the client does not compare its chain with the claim's answer",
    ),
    (
        "restore-not-noticed",
        "the client goes on as if the server had not gone back in time",
    ),
    (
        "repeats-not-asked-again",
        "the client takes a hole that it filled for filled, whatever the server's floor",
    ),
    (
        "abandonment-by-client",
        "the client makes a dead letter by itself, without asking the server to abandon",
    ),
    // The document.
    (
        "merge-shallow",
        "a merge patch replaces nested objects and keeps nulls",
    ),
    // Durability of the server.
    (
        "ack-before-commit",
        "the server answers appends, and commits 200 ms later",
    ),
    (
        "synchronous-normal",
        "the server's store does not sync at a commit",
    ),
    (
        "redo-not-synced",
        "the server acks what it has written to its redo log and not synced",
    ),
    (
        "redo-frame-unchecked",
        "a frame of the redo log is taken for whole whatever its checksums say",
    ),
    (
        "redo-one-segment-recovered",
        "at opening, only the first segment of the redo log is read",
    ),
    (
        "redo-reused-before-applied",
        "a segment of the redo log is written over though SQLite does not have all of it",
    ),
    (
        "failed-sync-ignored",
        "a commit that failed is taken for done by the store",
    ),
    (
        "unknown-taken-as-done",
        "a commit of unknown outcome is taken for done by the owner",
    ),
    // Authority.
    (
        "epoch-at-redeem-only",
        "sessions of an earlier epoch go on after a bump",
    ),
    (
        "revocation-at-redeem-only",
        "sessions go on after their grant was revoked",
    ),
    (
        "revoke-acked-before-durable",
        "a revocation, bump or deletion is answered, and committed a second later",
    ),
    (
        "subscriptions-not-cut",
        "subscriptions go on after their authority has ended",
    ),
    (
        "descendants-survive",
        "revoking a grant spares those below it",
    ),
    ("expiry-not-checked", "a grant works after its expiry"),
    (
        "rights-not-checked",
        "a session may do what its grant has no right to",
    ),
    (
        "freeze-ignored-by-live-appender",
        "an appender that was claimed before a freeze goes on appending",
    ),
    (
        "tombstone-forgotten",
        "a deleted share answers as if alive, and takes ops",
    ),
    (
        "restore-keeps-grants",
        "a restore without the journal makes a new owner, and keeps all grants",
    ),
    (
        "revocation-not-in-journal",
        "revocations are not written to the authority journal",
    ),
    // Readers.
    (
        "send-before-commit",
        "subscribers get ops 200 ms before their commit",
    ),
    (
        "tail-repeats",
        "a subscription that goes on from a cursor sends the op of that cursor again",
    ),
    (
        "snapshot-one-off",
        "a snapshot names the cursor before the one of its document",
    ),
    (
        "reader-skips-what-is-older",
        "a reader behind what is kept in memory goes on with that, over a gap",
    ),
    // The client.
    ("outbox-synchronous-off", "the outbox never syncs"),
    (
        "enqueue-ignores-failed-commit",
        "an enqueue is answered as durable though its commit failed",
    ),
    (
        "seq-reused-after-restart",
        "after a restart the next seq is the one behind the last op that waits",
    ),
    (
        "batch-recut",
        "what has no answer is cut anew at each connection, ops of atomic groups one by one",
    ),
    (
        "settled-before-ack",
        "ops are recorded as applied when they are sent",
    ),
    (
        "rejected-taken-as-applied",
        "a rejected op is recorded as applied",
    ),
    (
        "lease-stolen",
        "a share's lease is taken from a flusher that lives",
    ),
];
