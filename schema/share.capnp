@0xce65c3d9ad21d187;
# The protocol of share sessions.
#
# A share is an ordered, durable log of ops and the document that they make. This file and those that it imports are enough to
# write a correct client. The life of a writing client is:
#
#   1. Before anything: mint `outboxKey`; give each op its seq, fingerprint and chain when it is enqueued, durably.
#   2. On every connection, pipelined into one round trip: `Bootstrap.redeemShare` -> `ShareSession.claimWriter` ->
#      `Appender.appendOps`, with the same stored batches in the same order as before, from the first one without an answer.
#   3. Record each outcome durably, then move `settledThrough`, which lets the server forget.
#
# An answer to `appendOps` counts only after the claim's answer on the same connection. When a connection is lost, nothing of it
# survives but what was acked: go back to 2.
#
# A connection is TCP, or a Unix socket, to an address of the ref, with TLS on it or not as `ShareRef.tls` and `ShareRef.pin` say,
# and Cap'n Proto's two-party RPC on that, not packed. The server's bootstrap capability is `Bootstrap`; it asks for none of the
# client. One connection serves any number of shares and refs.
#
# TLS is of version 1.2 or 1.3. A client may offer the ALPN protocol "share/1"; a server takes a client that offers none, and ends
# the handshake of one that offers only others. No client certificate is asked for, and sessions are not resumed.
#
# With a pin: let the TLS library accept any certificate, whatever its name, date or issuer (it must still check that the peer has the
# certificate's private key, which it does by itself), then, BEFORE the first byte of RPC is written, take the peer's own
# certificate in DER form, hash it with SHA-256 and compare all 32 bytes with the pin; close the connection if they differ. A redeem
# carries the secret: one that is sent before the check has given it away. In Python: an `SSLContext` with `check_hostname = False`
# and `verify_mode = CERT_NONE`, then `hashlib.sha256(ssl_object.getpeercert(binary_form=True)).digest()`.
# Without a pin, and with TLS: check the certificate against the machine's authorities and the host of the address, as for HTTPS.
# The name for a Unix socket is "localhost".
#
# A server that wants TLS where the client began without answers with the RPC message `abort`, whose reason says so.
#
# Where RPC is blocked, what a writing client needs is to be had by HTTP: `http.capnp`.
#
# Where a method returns a capability beside an `outcome`, the capability comes first, so that calls are pipelined on it before the
# outcome is known.

using Ids = import "ids.capnp";
using import "op.capnp".Batch;
using import "op.capnp".Ack;
using import "op.capnp".LoggedOp;
using import "refusal.capnp".Refusal;
using import "persistent.capnp".Persistent;
using Authority = import "authority.capnp";

const protocolVersion :UInt32 = 2;
# The version that this file describes. Both sides of a connection speak the older one of their versions: a client says its own at
# redeem, and `Redeemed.protocolVersion` tells which it is.
#
# 2: every field of `Redeemed` is there.
# 1: `Redeemed` may end at `protocolVersion`; its grant is the one of the ref, or of the slug, then. Methods that such a server does not
#    have are unimplemented. Nothing that a client of version 1 sends or reads has changed since.

const protocolVersionMin :UInt32 = 1;
# The oldest version that a server of this version still answers.

const batchOpsMax :UInt32 = 1024;
const batchBytesMax :UInt64 = 33554432;
const keyBytesMax :UInt32 = 512;
const valueBytesMax :UInt64 = 16777216;
const documentBytesMax :UInt64 = 536870912;
const window :UInt32 = 4096;
# The defaults of the limits of the same names; a server tells its own in `Redeemed.limits`.

interface Bootstrap {
  # What a connection begins with: its bootstrap capability. Implemented by the server, held by anyone who can connect; it gives away
  # nothing. Dropping it ends nothing that was got from it. Nothing survives a disconnect.

  redeemShare @0 (ref :ShareRef, protocolVersion :UInt32, client :Text, ownerProof :Data)
      -> (session :ShareSession, outcome :RedeemOutcome);
  # Turns a sturdy ref into a session.
  #
  # `client` names the program and its version, for logs and the audit; at most 128 bytes of it are looked at.
  # `ownerProof` is for a grant that is sealed to an owner: the Ed25519 signature, by the owner's key, of the 12 bytes "share-seal-1",
  # the share's id, the grant's id and the SHA-256 of the ref's secret. Empty otherwise; not looked at where the grant is not
  # sealed. It opens nothing but this grant, to who has its secret as well.
  # `session` is never null: when the ref is refused, it is an object whose every method gives that refusal, so that
  # calls which were pipelined on it fail with the same words.
  # Durable: nothing is stored. Retry: any number of times.
  # Refused with: notAuthorized (unknown share, unknown grant, wrong secret, a field of the ref that is malformed, a seal without
  # proof: one refusal, same words, same work), staleEpoch, expired, revoked, gone, versionUnsupported.

  redeemFactory @1 (ref :FactoryRef, protocolVersion :UInt32, client :Text) -> (factory :ShareFactory, outcome :FactoryOutcome);
  # Turns a factory's sturdy ref into a factory; otherwise as `redeemShare`.
  # Refused with: notAuthorized, versionUnsupported.

  redeemSlug @2 (slug :Authority.Slug, protocolVersion :UInt32, client :Text) -> (session :ShareSession, outcome :RedeemOutcome);
  # Turns the public address of a published share into a session that may read it; otherwise as `redeemShare`.
  # Refused with: notAuthorized (also: no such address), staleEpoch, expired, revoked, gone, versionUnsupported.
}

struct ShareRef {
  # What a share's sturdy ref says. As text:
  # share://ADDRESS[,ADDRESS...]/SHARE/GRANT?epoch=N[&pin=HEX]#SECRET with ids as 32 hexadecimal digits and the secret in
  # base64url without padding; `&tls=off` or `&tls=ca` instead of the pin for `tls` other than `byAddress`. An address as it stands
  # here, but the path of a Unix socket percent-encoded: unix:%2Frun%2Fshare.sock.

  addresses @0 :List(Text);
  # HOST:PORT of each server, in the order in which to try them; an IPv6 address stands in brackets. Or unix:/PATH of a Unix socket
  # on the same machine, at most 103 bytes of path. 1 to 16 where a server gives the ref. Not looked at by `redeemShare`.
  #
  # Two forms more are for HTTP (`http.capnp`), where RPC can't be had, in the order in which to try them: http:HOST:PORT, protected as
  # `pin` and `tls` say of HOST:PORT, which need not be plain; and https:HOST:PORT, with TLS and a certificate that the machine's
  # authorities vouch for, whatever `pin` and `tls` say. No ALPN protocol is offered there. Who wants RPC passes them over; so does who
  # does not know them.

  share @1 :Ids.ShareId;
  grant @2 :Ids.GrantId;

  epoch @3 :Ids.Epoch;
  # The epoch under which the grant was given. A hint for people; the server goes by its own record.

  pin @4 :Data;
  # 32 bytes: SHA-256 of the server's certificate in DER form. Empty: not pinned. A pin means TLS at every address, also at local ones,
  # and no check but this one; how to check it stands at the top of this file. Not looked at by `redeemShare`.

  secret @5 :Ids.Secret;

  tls @6 :Tls;
  # Whether there is TLS if nothing is pinned; with a pin it is `byAddress`, anything else is malformed. Not looked at by
  # `redeemShare`.
}

enum Tls {
  # Whether a connection without a pin has TLS. A client that does not know the value does not connect.

  byAddress @0;
  # No TLS where nothing leaves the machine: a Unix socket, a host of 127.0.0.0/8, ::1 or "localhost". Elsewhere as `authorities`.

  authorities @1;
  # TLS at every address, with a certificate that the machine's authorities vouch for.

  off @2;
  # No TLS at any address. Whoever is on the way reads the secret.
}

struct FactoryRef {
  # What a factory's sturdy ref says; each field as in `ShareRef`. As text: share-factory://ADDRESS[,...]/GRANT[?pin=HEX]#SECRET, or
  # with `?tls=off` or `?tls=ca` instead of the pin.

  addresses @0 :List(Text);
  grant @1 :Ids.GrantId;
  pin @2 :Data;
  secret @3 :Ids.Secret;
  tls @4 :Tls;
}

struct RedeemOutcome {
  union {
    unset @0 :Void;
    redeemed @1 :Redeemed;
    refused @2 :Refusal;
  }
}

struct Redeemed {
  share @0 :Ids.ShareId;
  cursor @1 :Ids.Cursor;
  # Durable ops so far.

  epoch @2 :Ids.Epoch;
  # The capability's epoch: what `Envelope.capabilityEpoch` must say.

  history @3 :Ids.HistoryId;
  rights @4 :Authority.Rights;
  limits @5 :Limits;
  title @6 :Text;
  createdAt @7 :Ids.UnixMs;
  origin @8 :Ids.Origin;
  # Who created the share.

  server @9 :Text;
  # The server's program and version, for people.

  protocolVersion @10 :UInt32;
  # The version that both sides speak on this session: the older one of theirs.

  grant @11 :Ids.GrantId;
  # The one that was redeemed.

  expiresAt @12 :Ids.UnixMs;
  # When it runs out, by the server's clock; 0: never.

  label @13 :Text;
  # The grant's; may be empty.

  owner @14 :Bool;
  # It is the owner's grant: it hangs below no other.

  frozen @15 :Bool;
  # The share refuses appends.
}

struct FactoryOutcome {
  union {
    unset @0 :Void;
    redeemed @1 :FactoryRedeemed;
    refused @2 :Refusal;
  }
}

struct FactoryRedeemed {
  addresses @0 :List(Text);
  # The addresses under which the server wants its shares' refs to be handed out: what a client that created a share puts into the
  # owner ref. 1 to 16.

  pin @1 :Data;
  # What it puts there as `ShareRef.pin`; empty: none.

  history @2 :Ids.HistoryId;
  server @3 :Text;

  tls @4 :Tls;
  # What it puts there as `ShareRef.tls`.

  httpUrl @5 :Text;
  # Under which URL people reach the server's HTTP face, as "https://shares.example.org", with no slash at its end: the page of a
  # share's slug is this, "/share/" and the slug. Empty: there is none. At most 1024 bytes.
}

struct Limits {
  # The bounds of the share. What goes beyond one is refused, never cut. None is 0 but `depthMax` (plain values only) and
  # `dependenciesMax` (no dependencies).

  keyBytesMax @0 :UInt32;
  valueBytesMax @1 :UInt64;
  # What a value counts is the bytes of the texts that made it: of the JSON that was put, and of each text (or item, and one for its
  # comma) that was appended; after a merge, of the result as compact JSON.

  batchOpsMax @2 :UInt32;
  batchBytesMax @3 :UInt64;
  documentBytesMax @4 :UInt64;
  # Keys and values together.

  depthMax @5 :UInt32;
  # Levels of arrays and objects in a value; a plain value has 0.

  dependenciesMax @6 :UInt32;
  window @7 :UInt32;
  # A batch whose last seq is further than this above the writer's floor is refused as `windowExceeded`.
}

interface ShareFactory {
  # Creates shares. Implemented by the server; got from `Bootstrap.redeemFactory`; dropping it has no effect.

  createShare @0 (request :CreateShare) -> (outcome :CreateOutcome);
  # Creates a share with its owner's grant.
  #
  # The ids follow from the request, so that a client that can't reach the server now can make the ref already: SHA-256 of the 16
  # bytes of the factory's grant and the 16 bytes of the request id; its first half is the share's id and its second half the owner
  # grant's, each with the version and variant bits of a UUID of version 8 set. The epoch is 1.
  # The caller makes the owner's secret and stores it, with the request id, before the call; only the secret's hash is sent.
  # Durable: the share and its grant are on stable storage before this returns.
  # Retry: safe without limit and for ever. The same request id and hash give the same share.
  # Refused with: notAuthorized, quotaExceeded (of the factory's grant), invalidRequest (also: the request id was used with another
  # hash).

  backup @1 () -> (backup :Backup, outcome :BackupOutcome);
  # Makes a copy of all that the server stores, as it is at one moment, while it goes on serving. The copy holds hashes of
  # secrets, never a secret, and not the authority journal, which a restore must not take back.
  #
  # Durable: everything that was acked before the call is in the copy.
  # Retry: safe; each call makes a copy of its own.
  # Bounds: one backup at a time in a server; the copy is held until `backup` is dropped or read to its end.
  # Rights: a root grant's. Refused with: notAuthorized, rightMissing, quotaExceeded (another backup is under way; `retryAfterMs` is
  # set).

  attenuate @2 (request :Authority.FactoryAttenuate) -> (outcome :Authority.FactoryMintOutcome);
  # Makes a grant that may create shares within quotas, and nothing else.
  #
  # Durable: the grant is on stable storage before this returns. Retry: as `ShareSession.attenuate`.
  # Rights: a root grant's. Refused with: notAuthorized, rightMissing, quotaExceeded (64 grants), invalidRequest.

  revoke @3 (grant :Ids.GrantId) -> (outcome :Authority.FactoryRevokeOutcome);
  # Ends a grant of the factory: it creates nothing more. The shares that it created are their owners', and stay.
  #
  # Durable: in the authority journal and on stable storage before this returns; factories that were redeemed with it end with it.
  # Retry: safe; says whether it was in force. Rights: a root grant's; a root grant can't be ended by this.
  # Refused with: notAuthorized, rightMissing, invalidRequest.

  grants @4 () -> (outcome :Authority.FactoryGrantsOutcome);
  # The grants in force with what they have used up. At most 64.
  #
  # Rights: a root grant's. Refused with: notAuthorized, rightMissing.
}

interface Backup {
  # A backup being read, from its first byte to its last. Dropping it ends it.

  read @0 (bytesMax :UInt32) -> (data :Data, done :Bool);
  # The next bytes: at least one until `done`, at most `bytesMax` and at most 1 MiB; `bytesMax` 0 means the server's choice. `done` with
  # the last. Not to be called again before the answer. Not to be repeated: after a lost answer begin a new backup.
}

struct BackupOutcome {
  union {
    unset @0 :Void;
    made @1 :BackupMade;
    refused @2 :Refusal;
  }
}

struct BackupMade {
  bytes @0 :Ids.ByteCount;
  # Of the copy.

  sha256 @1 :Data;
  # Of the copy, 32 bytes: who reads it checks it.

  shares @2 :UInt64;
  # How many shares the copy holds.

  history @3 :Ids.HistoryId;
  # Of the server when it made the copy; a restore makes a new one.

  at @4 :Ids.UnixMs;
}

struct CreateShare {
  request @0 :Ids.RequestId;
  ownerSecretHash @1 :Ids.SecretHash;
  title @2 :Text;
  # For people; may be empty; at most 1024 bytes.

  origin @3 :Ids.Origin;
}

struct CreateOutcome {
  union {
    unset @0 :Void;
    created @1 :Created;
    refused @2 :Refusal;
  }

  struct Created {
    share @0 :Ids.ShareId;
    grant @1 :Ids.GrantId;
    # The owner's. With the secret that the caller holds, this makes the owner ref.

    epoch @2 :Ids.Epoch;
    # The epoch of that grant: 1. A repeated request still says 1, whatever was bumped since.
  }
}

interface ShareSession extends(Persistent(ShareRef, Text)) {
  # A live, redeemed capability of one share on one connection. Implemented by the server. Dropping it ends nothing but itself:
  # its appenders and subscriptions live on as their own capabilities. A disconnect ends all of them.
  #
  # Every method checks authority again. When it has ended (epoch, revocation, expiry), each method gives that refusal.

  claimWriter @0 (outboxKey :Ids.OutboxKey, incarnation :Ids.Incarnation, nonce :Ids.Nonce, history :Ids.HistoryId)
      -> (appender :Appender, outcome :ClaimOutcome);
  # Claims the writer of an outbox; an outbox that the share does not know opens a lane.
  #
  # Compare-and-set: `incarnation` is the one that the client holds (0 before its first claim). It must be the server's, or above
  # it (then the server forgot); a claim with the nonce of the claim that is in force is answered again with the same incarnation.
  # `history` is the one that the client knows; empty: none yet. If it is another than the server's: `historyChanged`.
  # `appender` is never null: when refused, its `appendOps` gives the refusal.
  # Durable: the claim is on stable storage before this returns. It ends every earlier `Appender` of the writer.
  # Retry: with the same nonce, without limit.
  # Rights: append. Refused with: rightMissing, staleEpoch, revoked, expired, frozen, gone, historyChanged, writerFenced,
  # writersExhausted, invalidRequest.

  document @1 () -> (snapshot :Snapshot, outcome :SnapshotOutcome);
  # The document as it stands, in pages. Only what is durable is seen.
  #
  # Rights: read. Refused with: rightMissing, staleEpoch, revoked, expired, gone.

  subscribe @2 (from :LogPosition, sink :Sink) -> (subscription :Subscription, outcome :SubscribeOutcome);
  # Delivers to `sink` every applied op after `from`, without gap or repeat, and goes on live.
  #
  # If the log can't be read from there (another history, truncated, or `from` is ahead of the share), the sink is first told to
  # `reset` and gets the document, then the ops after it. A reader that has nothing yet says the empty position, and gets every op
  # as long as the log reaches back to the first. The first calls on `sink` may arrive before the answer.
  # Order: by cursor, one call at a time. Ends: by dropping `subscription`, or with `Sink.ended`.
  # Bounds: the server keeps no queue per subscriber. One that falls too far behind is told so by a `reset` with `lagged` set.
  # Rights: read. Refused with: rightMissing, staleEpoch, revoked, expired, gone, quotaExceeded.

  bumpEpoch @3 (request :BumpEpoch) -> (outcome :BumpOutcome);
  # Ends every grant and session of the share's epoch and installs a new owner's grant.
  #
  # The caller makes the secret and stores it, with the request id, before the call.
  # Durable: on stable storage, and every live session of the old epoch is cut, before this returns. This session too is at its end.
  # Retry: repeating the last bump (same request id, same hash) gives the same answer, also under the authority that it ended. Where that
  # is unknown, on a server that was restored from a backup which is older than it, the new ref opens the share, and tells that the
  # bump was made: the new grant's id is the first half of SHA-256 over "share-bump-1", the 16 bytes of the share's id, the 16 bytes of
  # the request id and the new epoch as 8 bytes, least significant first, with the version and variant bits of a UUID of version 8
  # set. The new epoch is the session's plus one.
  # Rights: admin. Refused with: rightMissing, staleEpoch, revoked, expired, gone, invalidRequest.

  writers @4 () -> (outcome :WritersOutcome);
  # The writers of the share, by number.
  #
  # Rights: read. Refused with: rightMissing, staleEpoch, revoked, expired, gone.
  # Bounds: at most 64 open and 4096 retired ones.

  attenuate @5 (request :Authority.Attenuate) -> (outcome :Authority.MintOutcome);
  # Makes a weaker grant below this session's own.
  #
  # Durable: the grant is on stable storage before this returns.
  # Retry: without limit; the same request with the same content gives the same grant, also when it has ended since.
  # Rights: admin. Refused with: rightMissing (also: more rights than this grant's), staleEpoch, revoked, expired, gone, quotaExceeded
  # (1024 grants an epoch, revoked ones among them; 64 directly below a grant that is not an administrator's; 32 levels), invalidRequest (also:
  # a longer life, or the request id was used with other content).

  publish @6 (request :Authority.Publish) -> (outcome :Authority.MintOutcome);
  # Gives the share a public address: whoever has the slug may read (`Bootstrap.redeemSlug`). Ended by `revokeCapability`.
  #
  # Otherwise as `attenuate`.

  revokeCapability @7 (grant :Ids.GrantId, origin :Ids.Origin) -> (outcome :Authority.EndOutcome);
  # Ends a grant and all that were made from it.
  #
  # Durable: in the authority journal and on stable storage, and every live session, appender and subscription of them is cut,
  # before this returns. Nothing of theirs is applied and nothing is read after that.
  # Retry: without limit; a grant that has ended is no error, and nothing more is cut.
  # Rights: admin for a grant below one's own; any for one's own, but the owner's ends only by `bumpEpoch` or `delete`. A grant that
  # is not below one's own is refused like one that does not exist.
  # Refused with: rightMissing, staleEpoch, revoked, expired, gone, invalidRequest.

  freeze @8 (origin :Ids.Origin) -> (outcome :Authority.FreezeOutcome);
  # Refuses claims and appends (`frozen`) until `unfreeze`. Reading goes on.
  #
  # Durable: on stable storage before this returns; nothing is applied after that. Retry: without limit.
  # Rights: admin. Refused with: rightMissing, staleEpoch, revoked, expired, gone.

  unfreeze @9 (origin :Ids.Origin) -> (outcome :Authority.FreezeOutcome);
  # Lets appends in again: the share is exactly as it was before `freeze`. Otherwise as `freeze`.

  delete @10 (origin :Ids.Origin) -> (outcome :Authority.EndOutcome);
  # Erases the share's content for good. A tombstone stays: whoever proves a grant that the share had is told `gone`, so that a late
  # replay never brings it back.
  #
  # Durable: in the authority journal and on stable storage, and every live reference is cut, before this returns; the content is
  # overwritten soon after. Backups keep what they hold, but a restore deletes the share again.
  # Retry: without limit; also under a grant that ended with the share. Rights: admin.
  # Refused with: rightMissing, staleEpoch, revoked, expired.

  grants @11 (after :Ids.GrantId) -> (outcome :Authority.GrantsOutcome);
  # The grants of the epoch, revoked ones among them, at most 256 at a time: those with ids above `after` (empty: from the first).
  # An owner sees all; another administrator its own and those below it.
  #
  # Rights: admin. Refused with: rightMissing, staleEpoch, revoked, expired, gone, invalidRequest.

  audit @12 (after :UInt64) -> (outcome :Authority.AuditOutcome);
  # What happened to the share's authority, at most 256 entries at a time: those with numbers above `after`.
  #
  # Rights: the owner's grant. Refused with: rightMissing, staleEpoch, revoked, expired, gone.
}

struct ClaimOutcome {
  union {
    unset @0 :Void;
    claimed @1 :Claimed;
    refused @2 :Refusal;
  }

  struct Claimed {
    incarnation @0 :Ids.Incarnation;
    # The client's from now on; stored before the next claim.

    history @1 :Ids.HistoryId;
    # The server's; stored, and named in the next claim.

    writer @2 :Ids.WriterId;
    # 0 until the first append.

    floor @3 :Ids.Seq;
    # Settled through.

    highest @4 :Ids.Seq;
    # The highest seq that the server has seen. Says nothing about outcomes: rows without an answer are sent all the same.

    chain @5 :Ids.Chain;
    # At `highest`. If the client's own chain there is another one, the lane is not its own any more.
  }
}

interface Appender {
  # A claimed writer: bound to writer, incarnation and history. Implemented by the server. Ends with the next claim of the writer,
  # with the connection, and at any refusal of a whole batch.

  appendOps @0 (batch :Batch, envelope :Envelope) -> (outcome :AppendOutcome);
  # Applies the ops of `batch` to the share, in order, and returns what became of each.
  #
  # Durable: every outcome that is returned is on stable storage before this returns.
  # Retry: safe without limit. Send the same bytes; ops already applied come back as `duplicate`.
  # Order: calls on one `Appender` are executed in the order in which they were made; several may be in flight.
  # Rights: append. Refused as a whole with: outOfOrder, windowExceeded, writerForked, writerFenced, alreadySettled,
  # historyChanged, staleEpoch, revoked, expired, rightMissing, frozen, gone, batchTooLarge, requeueLimit, abandonLimit,
  # writersExhausted, quotaExceeded (of the factory's grant under which the share was made), invalidRequest. Such a refusal ends the `Appender`: what was pipelined behind gets the same refusal until
  # the writer is claimed again. It changes nothing but the floor. Throws `overloaded` for back-pressure only; that does not
  # end the `Appender`, but what was pipelined behind may then be refused as `outOfOrder`.
  # Bounds: `Limits.batchOpsMax` entries and `Limits.batchBytesMax` bytes of mutations.
}

struct Envelope {
  # Filled in at each send; not part of the stored batch.

  capabilityEpoch @0 :Ids.Epoch;
  # `Redeemed.epoch` of the session; 0 when the call is pipelined before it is known. Any other value is refused as `staleEpoch`.

  settledThrough @1 :Ids.Seq;
  # The last seq before the first one without a final outcome. The writer's word that it has durably recorded every outcome up to
  # here and will never ask again. Never falls.
}

struct AppendOutcome {
  union {
    unset @0 :Void;
    ack @1 :Ack;
    refused @2 :Refusal;
  }
}

struct SnapshotOutcome {
  union {
    unset @0 :Void;
    at @1 :SnapshotAt;
    refused @2 :Refusal;
  }
}

struct SnapshotAt {
  position @0 :LogPosition;
  # The document is the one after this op.

  epoch @1 :Ids.Epoch;
  keys @2 :UInt64;
  # How many keys it has.

  bytes @3 :Ids.ByteCount;
  # What it counts against `Limits.documentBytesMax`.
}

struct LogPosition {
  # A cursor means something only within its history.

  history @0 :Ids.HistoryId;
  # Empty: from the beginning, whatever the history; then `cursor` must be 0.

  cursor @1 :Ids.Cursor;
}

interface Snapshot {
  # A document at one cursor, unmoved by later ops. Implemented by the server; dropping it frees it.

  read @0 (after :Text, bytesMax :UInt32) -> (entries :List(DocumentEntry), done :Bool);
  # The entries whose keys follow `after` in byte order; empty: from the first. At least one entry if there is one, and then no
  # more than `bytesMax` bytes in all (a larger single entry excepted; the server has its own bound of 1 MiB besides).
  # `done`: no entry follows. Reading again is free of effects.
  # Throws `failed` if authority has ended meanwhile.
}

struct DocumentEntry {
  key @0 :Text;
  json @1 :Text;
  # Compact JSON text; equal in meaning to what the ops made, with the order of members and the digits of numbers kept.
}

interface Sink {
  # Implemented by the reader, called by the server. The methods marked `stream` are flow-controlled: the reader answers each when it
  # has taken in what it brought, and the server goes on. A call that the reader does not answer within the server's deadline, or
  # answers with an exception, ends the subscription.

  reset @0 (at :SnapshotAt, lagged :Bool) -> stream;
  # Forget what was delivered: the document of `at` follows, in `entries`.
  # `lagged`: because this reader could not keep up.

  entries @1 (entries :List(DocumentEntry), done :Bool) -> stream;
  # Part of the document after a `reset`. `done`: it is complete; ops follow.

  ops @2 (ops :List(LoggedOp)) -> stream;
  # Consecutive ops of the log; the first follows the last one delivered, or the document.

  live @3 (position :LogPosition);
  # Everything up to this position has been delivered; sent once, when the sink has first caught up.

  ended @4 (refusal :Refusal);
  # Nothing more will come, and why: authority ended, or the server drains (`retryAfterMs` is set then: subscribe again).
}

interface Subscription {
  # Holds a subscription open. Dropping it ends it.
}

struct SubscribeOutcome {
  union {
    unset @0 :Void;
    subscribed @1 :LogPosition;
    # The share's durable position when the subscription began.

    refused @2 :Refusal;
  }
}

struct BumpEpoch {
  request @0 :Ids.RequestId;
  ownerSecretHash @1 :Ids.SecretHash;
  origin @2 :Ids.Origin;
  # Who asks.
}

struct BumpOutcome {
  union {
    unset @0 :Void;
    bumped @1 :Bumped;
    refused @2 :Refusal;
  }

  struct Bumped {
    epoch @0 :Ids.Epoch;
    # The new epoch.

    grant @1 :Ids.GrantId;
    # The new owner's grant.

    cut @2 :Authority.Cut;
    # What ended with the old epoch, at this call.
  }
}

struct WritersOutcome {
  union {
    unset @0 :Void;
    writers @1 :List(Writer);
    refused @2 :Refusal;
  }
}

struct Writer {
  number @0 :Ids.WriterId;
  origin @1 :Ids.Origin;
  # Of the grant under which the lane was opened.

  highest @2 :Ids.Seq;
  retired @3 :Bool;
}
