@0xdcfc29fb25f91ecc;
# Expected outcomes that are no success. A refusal is data; a program decides by its `code`, never by its message.
#
# Exceptions say only how to react: `disconnected` reconnect and replay, `overloaded` the same call later, `unimplemented` the
# other side is older, `failed` a bug of the other side.

using Ids = import "ids.capnp";

struct Refusal {
  code @0 :Code;
  # What a program decides by.

  message @1 :Text;
  # What a person reads: names the thing and the values. Never parsed, never empty.

  retryAfterMs @2 :UInt32;
  # When trying again makes sense, in milliseconds. 0: not said.

  detail :union {
    # Facts that come with some codes.

    none @3 :Void;

    expected @4 :Ids.Seq;
    # With `outOfOrder`: the seq with which a batch may start.

    history @5 :History;
    # With `historyChanged`: where the server stands.

    limit @6 :Limit;
    # With a code that names a limit, and with `invalidRequest` where a limit without a code of its own is broken.
  }

  enum Code {
    # A code that the reader does not know reads as `invalidRequest`: stop this, tell a person.

    unset @0;
    # Not a valid code; guards against a struct that nobody filled in.

    notAuthorized @1;
    # Unknown share, unknown grant, wrong secret: one refusal for all. A person must look.

    staleEpoch @2;
    # The epoch was bumped. Told only to who proves the secret. Redeem the newest ref that is held, else a person.

    revoked @3;
    # The grant, or one above it, was revoked. Told only to who proves the secret. As `staleEpoch`.

    expired @4;
    # The grant ran out by the server's clock. Told only to who proves the secret. As `staleEpoch`.

    rightMissing @5;
    # The grant does not have the right that the method asks for. A person.

    quotaExceeded @6;
    # The grant's quota, or the share's bound on grants, is used up. A person.

    frozen @7;
    # The share refuses appends until it is unfrozen. Wait, with slow back-off.

    gone @8;
    # The share was deleted. Stop for good; rows that are not settled are in doubt.

    historyChanged @9;
    # The server's history is another one than the caller named, or shows signs of having gone back in time. Claim, compare, re-plan.

    writerFenced @10;
    # The writer was claimed by someone else since. Claim, compare, re-plan.

    writerForked @11;
    # A seq is known with other content. Claim, compare, re-plan.

    alreadySettled @12;
    # A seq at or below the floor was sent: who asks for what its own outbox settled is a copy. Claim, compare, re-plan.

    outOfOrder @13;
    # A gap before the batch. Nothing of it was applied. Replay from `detail.expected`.

    windowExceeded @14;
    # The batch would reach further past the floor than the window. Settle outcomes, then send the same batch again.

    writersExhausted @15;
    # The share, or the grant's subtree, has no room for another writer. Later, else a person.

    requeueLimit @16;
    # No room to remember another re-queued op. Later, else a person.

    abandonLimit @17;
    # No room to remember another abandoned op of this writer. Settle, else a person.

    keyTooLong @18;
    # A key over `Limits.keyBytesMax`.

    valueTooLarge @19;
    # A value over `Limits.valueBytesMax`.

    batchTooLarge @20;
    # A batch over `Limits.batchOpsMax` or `Limits.batchBytesMax`.

    documentTooLarge @21;
    # The document would be over `Limits.documentBytesMax`.

    invalidRequest @22;
    # A malformed field, named in the message: an id of the wrong length, a text that is not UTF-8, a union that is not set, a
    # title or an origin's id that is too long. Retrying the same bytes can't help.

    versionUnsupported @23;
    # The other side does not speak this protocol version; the message says which side to upgrade.
  }

  struct History {
    history @0 :Ids.HistoryId;
    # The server's history now.

    floor @1 :Ids.Seq;
    # The writer's floor in it; 0 for a writer it does not know.

    highest @2 :Ids.Seq;
    # The writer's highest seq in it; 0 for a writer it does not know.

    chain @3 :Ids.Chain;
    # The writer's chain at `highest`.
  }

  struct Limit {
    seq @0 :Ids.Seq;
    # The op that broke the limit; 0: not a single op.

    actual @1 :UInt64;
    # What was asked for.

    max @2 :UInt64;
    # What is allowed.
  }
}
