@0x9d1f6e0b7c25a843;
# What a client sends by HTTP where RPC is blocked: the same stored batches, to the same ledger, with the same outcomes.
#
#   POST /api/share/SHARE/ops          SHARE: the share's id, 32 hexadecimal digits; `Call` says which where there is none
#   Content-Type: application/vnd.share.ops
#
# The body is one message with a `Call` as its root, in the stream framing of Cap'n Proto (a segment table, then the segments), not
# packed, at most `bodyBytesMax` bytes; a client sends a content-length. The answer with status 200 is one message with an `Answer`
# as its root, framed alike and of the same type. Refusals are in the answer. Any other status says only how to react, as the kinds
# of exception do (`refusal.capnp`):
#
#   503, 429            later, and the same: `overloaded`, or whether it took effect is not known. `Retry-After` is in seconds.
#   404, 405, 421, 501  no share server answers HTTP there, or not now: as if nobody did.
#   408, 502, 504       lost between here and the server: `disconnected`, go back to redeeming.
#   others              a bug, or somebody else answers: `failed`.
#
# A call stands for itself: the server keeps nothing of one for the next, and every call may be repeated without limit, with the same
# body. HTTP is reached at the addresses `http:HOST:PORT` and `https:HOST:PORT` of a ref. What goes there is protected as RPC is, so
# that the secret in a body is sent to nobody who may not see it: see `ShareRef.addresses`.

using Ids = import "ids.capnp";
using import "op.capnp".Batch;
using Share = import "share.capnp";
using Authority = import "authority.capnp";

const bodyBytesMax :UInt64 = 67108864;
# Bytes of a body that a server takes, at most; it has room for any one batch within the default limits. A server with less to spare
# answers 413.

const batchesMax :UInt32 = 64;
# Batches of one `Append`.

struct Call {
  protocolVersion @0 :UInt32;
  client @1 :Text;
  # Both as in `Bootstrap.redeemShare`.

  union {
    unset @2 :Void;

    append @3 :Append;
    # Answered with `Answer.append`.

    create @4 :Create;
    # Answered with `Answer.create`. SHARE is the id that the new share will have (`ShareFactory.createShare` says how it follows
    # from the request).

    publish @5 :Publish;
    # Answered with `Answer.publish`.

    delete @6 :Delete;
    # Answered with `Answer.delete`.

    factory @7 :Share.FactoryRef;
    # Redeems a factory, and does no more: for what the server tells of itself. Answered with `Answer.factory`. SHARE is 32 zeros.
  }
}

struct Append {
  # Redeem, claim and appends in one round trip: what `Bootstrap.redeemShare`, `ShareSession.claimWriter` and `Appender.appendOps`
  # do when they are pipelined, in this order. What they say of rights, refusals, durability and retry holds here.
  #
  # Each call claims. A client that has claimed names the same `incarnation` and `nonce` in all calls that follow, so that the claim is
  # a repeat, and `history` as the first answer told it; when it goes back to redeeming, after a lost answer say, it does what it does
  # on a new connection. A call of a client that another one has fenced off is refused as `writerFenced`, however late it comes.
  #
  # Order: calls are executed as they come, so a client has one under way at a time. A batch that is refused as a whole refuses all
  # behind it in the same call. Behind such a refusal a client sends nothing more until it has claimed with a new nonce.

  ref @0 :Share.ShareRef;
  # `addresses`, `pin` and `tls` are not looked at, and need not be sent. Its `share` is the one of the path.

  ownerProof @1 :Data;
  # As in `Bootstrap.redeemShare`.

  outboxKey @2 :Ids.OutboxKey;
  incarnation @3 :Ids.Incarnation;
  nonce @4 :Ids.Nonce;
  history @5 :Ids.HistoryId;
  # As in `ShareSession.claimWriter`.

  batches @6 :List(Sent);
  # In order; may be empty. At most `batchesMax`.
}

struct Sent {
  # One batch, as `Appender.appendOps` takes it.

  batch @0 :Batch;
  envelope @1 :Share.Envelope;
}

struct Create {
  ref @0 :Share.FactoryRef;
  # `addresses`, `pin` and `tls` are not looked at.

  request @1 :Share.CreateShare;
  # As in `ShareFactory.createShare`.
}

struct Publish {
  ref @0 :Share.ShareRef;
  ownerProof @1 :Data;
  # Both as in `Append`.

  request @2 :Authority.Publish;
  # As in `ShareSession.publish`.
}

struct Delete {
  ref @0 :Share.ShareRef;
  ownerProof @1 :Data;
  # Both as in `Append`.

  origin @2 :Ids.Origin;
  # As in `ShareSession.delete`.
}

struct Answer {
  union {
    unset @0 :Void;
    append @1 :Appended;
    create @2 :Created;
    publish @3 :Authority.MintOutcome;
    delete @4 :Authority.EndOutcome;
    factory @5 :Share.FactoryOutcome;
  }
}

struct Appended {
  redeem @0 :Share.RedeemOutcome;
  claim @1 :Share.ClaimOutcome;
  # Refused where `redeem` is.

  appends @2 :List(Share.AppendOutcome);
  # Of the batches in order. Fewer than were sent: the server answers what is durable already, rather than late or not at all. The
  # rest may or may not have taken effect; the client sends those batches again, in its next call. None where some were sent: too much to do, send them again later.
}

struct Created {
  redeem @0 :Share.FactoryOutcome;
  create @1 :Share.CreateOutcome;
  # Refused where `redeem` is.
}
