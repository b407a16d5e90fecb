"""What a node is wanted to run, on its way to the node: a text, and who signs for it.

A site's broker stands where people pass by, and carries this to its nodes; so a node takes the
centre's word and not the broker's. The text is signed as it is, byte for byte: whoever reads it
needs no second form of it to check the signature. What it says is the catalogue's (`part`).
"""

from typing import Annotated

from msgspec import Meta

from haidang_protocols.wire.messages import Message
from haidang_protocols.wire.records import MESSAGE_BYTES_MAX

SIGNERS = "worker"
"""The kind of process that signs: its certificate's CN is `{centre}.worker.{name}`."""

BODY_MAX = MESSAGE_BYTES_MAX
"""Characters of a body: brokers carry no more in a message."""


class Desired(Message, frozen=True, kw_only=True):
    """Retained on `…/desired`: the part of the catalogue that a node is wanted to run.

    Attributes:
        body: JSON of a `NodePart`, as it was signed.
        certificate: the signer's, PEM; empty on a broker that is reached over loopback only.
        signature: over the body's UTF-8: ECDSA on P-256 with SHA-256 (FIPS 186-5), DER, base64.
    """

    body: Annotated[str, Meta(max_length=BODY_MAX)]
    certificate: Annotated[str, Meta(max_length=16_384)] = ""
    signature: bytes = b""


def may_sign(cn: str, centre: str) -> bool:
    """Whether the holder of a certificate of that CN may say what nodes of a centre run."""
    first, _, rest = cn.partition(".")
    kind, _, name = rest.partition(".")
    return first == centre and kind == SIGNERS and bool(name)
