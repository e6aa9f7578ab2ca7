@0xdb7b4b2d9548749b;
# The standard way to ask a live capability for a sturdy ref.
#
# This is `Persistent` of Cap'n Proto's own `persistent.capnp`, declared again under its interface id because importing that
# file makes the Rust generator emit code that does not compile. On the wire the two are the same interface.

interface Persistent @0xc8cb212fcd9f5691 (SturdyRef, Owner) {
  # Implemented by capabilities that can be saved and redeemed later, on another connection.

  save @0 SaveParams -> SaveResults;
  # Makes a sturdy ref that opens the same thing with the same rights as the capability that it is asked of.
  #
  # Durable: the grant behind the ref is on stable storage before this returns.
  # Retry: not repeatable. Each call mints a new grant; after a lost reply the grant nobody holds counts against the share's
  # grants until the epoch is bumped.
  # Rights: any. The new grant is a child: revoking the capability's own grant ends it too.
  # Throws: `failed` with the refusal's words when authority has ended, since the standard interface has no place for data.

  struct SaveParams {
    sealFor @0 :Owner;
    # Seal the ref so that only this owner can redeem it. Null: not sealed. For a share, an owner is named by its `OwnerId` as text.
  }

  struct SaveResults {
    sturdyRef @0 :SturdyRef;
    # The ref. It holds a secret: store it as one.
  }
}
