"""TLS by a ref's pin, as the top of schema/share.capnp tells it."""

import hashlib
import ssl


class WrongPin(ssl.SSLCertVerificationError):
    """The server has another certificate than the ref pins."""


def context(pin):
    """Takes the certificate whose SHA-256 is `pin`, whatever its name, date or issuer, and no other."""

    class Pinned(ssl.SSLObject):
        """Looks at the certificate when the handshake ends: nothing of the connection's own was written by then."""

        def do_handshake(self):
            super().do_handshake()
            seen = hashlib.sha256(self.getpeercert(binary_form=True)).digest()
            if seen != pin:
                raise WrongPin(f"the server's certificate is {seen.hex()}, the ref pins {pin.hex()}")

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["share/1"])
    made.sslobject_class = Pinned
    return made
