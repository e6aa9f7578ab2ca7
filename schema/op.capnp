@0xdef9d6cdcb76deb5;
# Ops, batches and what becomes of them.

using Ids = import "ids.capnp";

struct Op {
  # One change of a share's document; the unit of apply, dedupe and rejection.

  id @0 :Ids.OpId;
  # Chosen by who enqueues (UUIDv7 by custom). Part of the fingerprint, so two ops with the same content differ.

  dependsOn @1 :List(Dependency);
  # Ops that must be applied before this one, earlier ops of the same batch included. At most `Limits.dependenciesMax`. A client
  # refuses to enqueue an op that depends on its own or a later seq of its own lane.

  mutation :union {
    # The fields' bytes go into the fingerprint exactly as sent: JSON is never re-serialised.

    unset @2 :Void;
    # Not a valid mutation.

    put @3 :KeyValue;
    # Replaces the value at `key`, or adds the key. Invalid: not JSON; over the limits of the value, its levels or the document,
    # which hold for the mutations below as well.

    merge @4 :KeyValue;
    # JSON Merge Patch (RFC 7386) of the value at `key`. Invalid: key absent; not JSON.

    appendText @5 :TextAppend;
    # Appends to a string: a streamed token costs its own bytes. Invalid: key or pointer absent; not a string.

    appendItem @6 :ItemAppend;
    # Appends to an array. Invalid: key or pointer absent; not an array; not JSON.

    remove @7 :Text;
    # Deletes the key, which is 1 to `Limits.keyBytesMax` bytes as every other. Invalid: key absent.
  }

  struct KeyValue {
    key @0 :Text;
    # 1 to `Limits.keyBytesMax` bytes. The same for every `key` below.

    json @1 :Text;
    # JSON (RFC 8259). At most `Limits.valueBytesMax` bytes and `Limits.depthMax` levels.
  }

  struct TextAppend {
    key @0 :Text;
    pointer @1 :Text;
    # JSON Pointer (RFC 6901) into the value at `key`. Empty: the value itself.

    text @2 :Text;
  }

  struct ItemAppend {
    key @0 :Text;
    pointer @1 :Text;
    # As in `TextAppend`.

    json @2 :Text;
    # The new item.
  }
}

struct Identity {
  # An op in the lane in which it was first enqueued. Never changes.

  outboxId @0 :Ids.OutboxId;
  seq @1 :Ids.Seq;
  fingerprint @2 :Ids.Fingerprint;
}

struct Dependency {
  # Names a very op, not whatever has its seq.

  outboxId @0 :Ids.OutboxId;
  # Empty: the first lane of the op that depends. Filled in before the fingerprint is computed.

  seq @1 :Ids.Seq;
  fingerprint @2 :Ids.Fingerprint;
}

struct Entry {
  # One place in a batch.

  seq @0 :Ids.Seq;
  # In the lane of the `Appender` that the batch is sent to. From 1.

  was :union {
    # Where the op was first enqueued.

    here @1 :Void;
    # In this lane, at this seq.

    elsewhere @2 :FirstLane;
    # Re-queued: in another lane. The server looks whether it was applied there, so that copies of an outbox converge.
  }

  union {
    unset @3 :Void;
    # Not a valid entry.

    op @4 :Op;
    # Apply this.

    abandon @5 :Ids.Fingerprint;
    # Give up the op with this fingerprint, also one that was never sent. Answered `duplicate` if it was applied after all,
    # else `abandoned`, which is final. Not in an atomic batch: `invalidRequest`.
  }

  origin @6 :Ids.Origin;
  # Whose op it is, where one writer carries the ops of several: an agent session that was delegated to. Not part of the
  # fingerprint. Null: the writer's own origin. Present: as `Origin` says, else `invalidRequest`; ignored on an abandoned op.

  struct FirstLane {
    # Where a re-queued op was first enqueued, however often it was re-queued since.

    outboxId @0 :Ids.OutboxId;
    seq @1 :Ids.Seq;
  }
}

struct Batch {
  # The ops of one `appendOps` call. A client stores it and never cuts it again: while it has no answer it is sent again whole, in
  # the same order among the others. Ids, seqs, mutations and `was` are then the same; the bytes of the message need not be.

  id @0 :Ids.BatchId;
  # For logs and listings. The ledger does not look at it.

  atomic @1 :Bool;
  # All ops are applied (duplicates count as applied), or none is.

  expectedCursor :union {
    any @2 :Void;
    exactly @3 :Ids.Cursor;
    # Compare-and-append: applied only at this cursor, else each op is rejected as `cursorMismatch`. Only with `atomic`; without
    # it: `invalidRequest`.
  }

  entries @4 :List(Entry);
  # At most `Limits.batchOpsMax`. None: the batch only carries its envelope's `settledThrough`, so that a writer with nothing left
  # to send can be let go; such a batch is not stored by the client. The bytes of all fields of all mutations (keys, pointers, JSON and texts) and of all ids
  # of origins are together at most `Limits.batchBytesMax`. Seqs ascend; those above the writer's highest are contiguous from highest + 1.
}

struct Ack {
  # The answer to a batch that passed as a whole.

  cursor @0 :Ids.Cursor;
  # The share's cursor after the batch.

  epoch @1 :Ids.Epoch;

  outcomes @2 :List(OutcomeRun);
  # Covers the batch's entries in order; the counts add up to the number of entries. A reader must not take two neighbouring runs
  # for different outcomes: a server may cut a run anywhere.
}

struct OutcomeRun {
  # The same outcome for consecutive entries of a batch.

  count @0 :UInt32;
  # How many entries, from 1.

  union {
    unset @1 :Void;
    # Not a valid outcome.

    applied @2 :Ids.Cursor;
    # Applied now. The cursor of the run's first op; each following one has one more. On stable storage.

    duplicate @3 :Ids.Cursor;
    # Applied earlier. The cursor that the run's first op got then; each following one has one more.

    rejected @4 :Rejection;
    # Not applied: a hole, which the same op at the same seq may fill later in a new batch. An atomic group is sent again whole.

    inDoubt @5 :Void;
    # Whether it was applied can't be told. Asking again gives the same; a person decides, and a new op carries it out.

    abandoned @6 :Void;
    # Given up. Final.
  }
}

struct Rejection {
  # Why an op was not applied.

  union {
    unset @0 :Void;

    abandoned @1 :Void;
    # The op was abandoned under its first identity. Final.

    dependencyMissing @2 :Identity;
    # Not applied; it may come.

    dependencyAbandoned @3 :Identity;
    # Final.

    dependencyUnknown @4 :Identity;
    # Whether it was applied can't be told, or is in doubt.

    invalidMutation @5 :MutationError;
    # Does not fit the document as it is.

    atomicGroupFailed @6 :Void;
    # Another op of the same atomic batch was rejected.

    cursorMismatch @7 :CursorMismatch;
  }

  struct CursorMismatch {
    expected @0 :Ids.Cursor;
    actual @1 :Ids.Cursor;
  }
}

struct MutationError {
  # Which rule of the document's algebra a mutation breaks.

  rule @0 :Rule;

  actual @1 :UInt64;
  # With a limit: what there would be. Else 0.

  max @2 :UInt64;
  # With a limit: what is allowed. Else 0.

  enum Rule {
    unset @0;
    notJson @1;
    keyEmpty @2;
    keyTooLong @3;
    keyAbsent @4;
    pointerAbsent @5;
    notAString @6;
    notAnArray @7;
    valueTooLarge @8;
    documentTooLarge @9;
    tooDeep @10;
  }
}

struct LoggedOp {
  # An applied op as readers see it.

  cursor @0 :Ids.Cursor;
  # The share's cursor after it.

  writer @1 :Ids.WriterId;
  # Whose it is; `ShareSession.writers` tells the origin. Never a key or an outbox id of another lane than dependsOn names.

  seq @2 :Ids.Seq;
  # In that writer's lane.

  at @3 :Ids.UnixMs;
  # When it was committed, by the server's clock.

  op @4 :Op;

  origin @5 :Ids.Origin;
  # Whose op it is, as its entry said. Null: the writer's own origin.
}
