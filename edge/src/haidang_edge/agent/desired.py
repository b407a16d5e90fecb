"""What the centre wants this node to run, as it comes by the broker: read, and believed if signed.

A site's broker is not believed: it stands at the site. The authority that the node was enrolled
with vouches for the signer, by the same certificate with which that speaks on the broker.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from haidang_edge.agent.declared import UnfitError
from haidang_edge.publish import Identity
from haidang_edge.spool import NodeClock
from haidang_protocols.catalogue.part import NodePart, decode_part
from haidang_protocols.errors import HaidangError
from haidang_protocols.wire import messages
from haidang_protocols.wire.desired import Desired, may_sign
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.reasons import because


class Seal:
    """Opens what comes on `…/desired`; `authority` None: a broker on this machine is believed."""

    def __init__(self, identity: Identity, authority: Path | None, clock: NodeClock) -> None:
        """Take for this node what is signed under `authority`, a certificate's file."""
        self._me, self._authority, self._clock = identity, authority, clock

    def envelope(self, payload: bytes) -> Desired:
        """The message, whoever it is from; raises `UnfitError`."""
        try:
            return messages.decode(payload, Desired)
        except MessageRefusedError as error:
            raise UnfitError(because("catalogue.unread", why=str(error))) from error

    def read(self, message: Desired) -> NodePart:
        """What the centre says in it; raises `UnfitError` where it is not the centre's.

        Nothing of the text is read before the signature: to read costs time.
        """
        if self._authority is not None:
            why = self._doubt(message, self._authority)
            if why:
                raise UnfitError(because("catalogue.unsigned", why=why))
        try:
            part = decode_part(message.body)
        except HaidangError as error:
            raise UnfitError(because("catalogue.unread", why=str(error))) from error
        whom = f"{part.catalogue.centre.id}/{part.node}"
        if whom != f"{self._me.centre}/{self._me.node}":
            raise UnfitError(because("catalogue.unread", why=f"it is for {whom}"))
        return part

    def _doubt(self, message: Desired, authority: Path) -> str:
        """Why the message is not believed; "" when it is."""
        # 2 MB, which a node needs only when there is news
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        if not message.signature:
            return "it has no signature"
        try:
            roots = x509.load_pem_x509_certificates(authority.read_bytes())
            signer = x509.load_pem_x509_certificate(message.certificate.encode("ascii"))
            (root,) = [root for root in roots if root.subject == signer.issuer][:1]
            signer.verify_directly_issued_by(root)
            key = signer.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                return "its signer's key is of another kind than ours"
            key.verify(message.signature, message.body.encode(), ec.ECDSA(SHA256()))
        except (ValueError, TypeError, InvalidSignature):
            return "its signature is not of our centre's authority"
        except OSError as error:
            return f"{authority}: {error.strerror}"
        names = [
            str(n.value) for n in signer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        ]
        if len(names) != 1 or not may_sign(names[0], self._me.centre):
            return f"{', '.join(names) or 'its signer'} is no worker of centre {self._me.centre}"
        return self._out_of_date(signer.not_valid_before_utc, signer.not_valid_after_utc)

    def _out_of_date(self, begin: datetime, end: datetime) -> str:
        now = self._clock.state()
        if not now.synced:
            return ""  # a clock that stands at 1970 says nothing of a certificate
        if begin <= datetime.fromtimestamp(now.wall / 1e9, UTC) <= end:
            return ""
        return f"its signer's certificate is good from {begin:%Y-%m-%d} to {end:%Y-%m-%d}"


def hash_of(message: Desired) -> str:
    """What tells two texts apart."""
    return hashlib.sha256(message.body.encode()).hexdigest()
