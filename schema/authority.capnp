@0xb7a1c6d0f24e9385;
# Who may do what with a share: grants, how they end, and what is remembered of their use.
#
# A grant is the server's record behind a sturdy ref. The owner's grant has no parent; every other one was made from a grant that
# has at least its rights and lives at least as long. Ending a grant ends all that were made from it.
#
# Making a grant is repeatable: the caller makes the secret and stores it, with the request id, before the call, and sends the
# secret's hash only. The same request with the same content gives the same answer however often it is made.

using Ids = import "ids.capnp";
using import "refusal.capnp".Refusal;

struct Rights {
  # Each stands for itself; an owner has all.

  read @0 :Bool;
  append @1 :Bool;
  admin @2 :Bool;
  # Grants, epoch, freeze, delete, audit.
}

using OwnerId = Data;
# 32 bytes: the Ed25519 public key of a person or machine, to which a grant may be sealed. As text: base64url, 43 characters.

using Slug = Data;
# 16 random bytes: the public address of a published share, and its secret. As text: base64url, 22 characters.

struct Attenuate {
  # A request for a weaker grant.

  request @0 :Ids.RequestId;
  secretHash @1 :Ids.SecretHash;
  rights @2 :Rights;
  # At least one; at most those of the grant under which it is made.

  expiresAt @3 :Ids.UnixMs;
  # By the server's clock; 0: as long as the grant under which it is made. Not later than that one's end.

  label @4 :Text;
  # For people; may be empty; at most 1024 bytes.

  sealedFor @5 :OwnerId;
  # Empty: whoever holds the ref may redeem it. Else only who also proves to be this owner (`redeemShare`).

  origin @6 :Ids.Origin;
  # Who asks.
}

struct Publish {
  # A request for a public address: a read grant of its own whose secret is the slug.

  slugHash @0 :Ids.SecretHash;
  # SHA-256 of the 16 bytes of the slug, which the caller made and stored. Also the request's name: the same hash is the same
  # request. The grant's id is the first 16 bytes of SHA-256 over the 18 bytes "share-slug-grant-1" and this hash, with UUID version 8
  # and variant set, so that whoever has the slug can name its grant.

  expiresAt @1 :Ids.UnixMs;
  # As in `Attenuate`.

  label @2 :Text;
  origin @3 :Ids.Origin;
}

struct MintOutcome {
  union {
    unset @0 :Void;
    minted @1 :Minted;
    refused @2 :Refusal;
  }
}

struct Minted {
  grant @0 :Ids.GrantId;
  epoch @1 :Ids.Epoch;
  # Both go into the new ref.

  expiresAt @2 :Ids.UnixMs;
  # What holds: that of the grant above, where the request named none. 0: never.
}

struct Cut {
  # What ended with authority, at this call. A call that is repeated finds nothing more to cut.

  grants @0 :UInt32;
  # Grants that were in force until now.

  sessions @1 :UInt32;
  # Live sessions, on all connections.

  appenders @2 :UInt32;
  # Of claimed writers.

  viewers @3 :UInt32;
  # Live subscriptions.

  served @4 :List(Served);
  # The cut viewers with the last cursor that each was served, in no particular order; at most 256 of them.
}

struct Served {
  grant @0 :Ids.GrantId;
  cursor @1 :Ids.Cursor;
  # Everything up to here was sent; nothing behind it.
}

struct EndOutcome {
  union {
    unset @0 :Void;
    ended @1 :Cut;
    refused @2 :Refusal;
  }
}

struct FreezeOutcome {
  union {
    unset @0 :Void;
    frozen @1 :Bool;
    # Whether the share is frozen now.

    refused @2 :Refusal;
  }
}

struct GrantInfo {
  # What an administrator sees of a grant; never its secret or the secret's hash.

  id @0 :Ids.GrantId;
  rights @1 :Rights;
  epoch @2 :Ids.Epoch;
  createdAt @3 :Ids.UnixMs;
  expiresAt @4 :Ids.UnixMs;
  # 0: never.

  label @5 :Text;
  parent @6 :Ids.GrantId;
  # Empty: the owner's.

  origin @7 :Ids.Origin;
  # Who made it.

  sealedFor @8 :OwnerId;
  # Empty: not sealed.

  published @9 :Bool;
  # It is a slug's.

  revokedAt @10 :Ids.UnixMs;
  # 0: not revoked. Of a grant that ended with one above it: when that was revoked.

  sessions @11 :UInt32;
  # Live ones.

  viewers @12 :UInt32;
  # Live subscriptions.

  usage @13 :Usage;
}

struct Usage {
  # How a grant was used, as far as it is remembered; times are 0 for never. Durable within seconds, not at once.

  redeems @0 :UInt64;
  firstRedeemedAt @1 :Ids.UnixMs;
  lastRedeemedAt @2 :Ids.UnixMs;
  firstAppendedAt @3 :Ids.UnixMs;
  lastReadAt @4 :Ids.UnixMs;
  lastReadCursor @5 :Ids.Cursor;
  # The highest that it was served.

  refusals @6 :UInt64;
  # Of calls whose caller had proven the secret.

  lastRefusedAt @7 :Ids.UnixMs;
}

struct GrantsOutcome {
  union {
    unset @0 :Void;
    grants @1 :List(GrantInfo);
    # In the order of their ids, those above the one asked for. Empty: there are no more.

    refused @2 :Refusal;
  }
}

struct AuditEntry {
  # Something that happened to a share's authority. A change of authority is an entry of its own; what the same one only does again
  # with a grant is counted in the entry that it has, so that nobody who uses a grant, or has none, pushes other entries out.

  number @0 :UInt64;
  # Counts up from 1, for ever. The ring keeps the newest 1024; what is missing below them was overwritten.

  at @1 :Ids.UnixMs;
  # The first time.

  lastAt @2 :Ids.UnixMs;
  count @3 :UInt64;
  event @4 :Event;
  grant @5 :Ids.GrantId;
  # The grant that was used, made or ended. Empty where there is none.

  by @6 :Ids.GrantId;
  # The grant under which it was done. Empty: nobody proved one.

  origin @7 :Ids.Origin;
  # As the caller said; kind `unset` where none was said.

  client @8 :Text;
  # The program, as it called itself at redeem; may be empty; at most 128 bytes.

  refusal @9 :Refusal.Code;
  # With `refused`: why. Else `unset`.

  cursor @10 :Ids.Cursor;
  # The share's then.

  enum Event {
    # An event that the reader does not know is shown as its number.

    unset @0;
    created @1;
    redeemed @2;
    refused @3;
    # A redeem or call of who had proven the secret was refused.

    refusedUnproven @4;
    # A redeem that proved nothing: an unknown grant, or a wrong secret. Counted together, whoever it was, so that nobody can push
    # other entries out of the ring.

    appendedFirst @5;
    granted @6;
    revoked @7;
    published @8;
    bumped @9;
    frozen @10;
    unfrozen @11;
    deleted @12;
    restored @13;
    # The server ended authority again that a restored backup had brought back.
  }
}

struct AuditOutcome {
  union {
    unset @0 :Void;
    entries @1 :List(AuditEntry);
    # In the order of their numbers. Empty: there are no more.

    refused @2 :Refusal;
  }
}

struct Quotas {
  # What a factory's grant may use up. 0: no bound.

  sharesMax @0 :UInt64;
  # Shares created under it that are not deleted.

  bytesMax @1 :UInt64;
  # Bytes of the ops applied to them; counted at most 1 MiB a share too much.

  appendsPerSecond @2 :UInt32;
  # Ops that may be appended to all of them together, on average; up to twice as many at once.
}

struct FactoryAttenuate {
  # A request for a factory grant that may create shares within quotas, and do nothing else.

  request @0 :Ids.RequestId;
  secretHash @1 :Ids.SecretHash;
  quotas @2 :Quotas;
  label @3 :Text;
  origin @4 :Ids.Origin;
}

struct FactoryMintOutcome {
  union {
    unset @0 :Void;
    minted @1 :Ids.GrantId;
    refused @2 :Refusal;
  }
}

struct FactoryGrantInfo {
  id @0 :Ids.GrantId;
  root @1 :Bool;
  # One of those whose ref lies in the data folder: it may do everything, without bound.

  quotas @2 :Quotas;
  shares @3 :UInt64;
  # Counted against `quotas.sharesMax`; 0 for a root.

  bytes @4 :Ids.ByteCount;
  # Counted against `quotas.bytesMax`; 0 for a root.

  label @5 :Text;
  createdAt @6 :Ids.UnixMs;
  # 0: not known.
}

struct FactoryGrantsOutcome {
  union {
    unset @0 :Void;
    grants @1 :List(FactoryGrantInfo);
    refused @2 :Refusal;
  }
}

struct FactoryRevokeOutcome {
  union {
    unset @0 :Void;
    revoked @1 :Bool;
    # Whether it was in force until now.

    refused @2 :Refusal;
  }
}
