"""By what Haidang finds again what it put into a Grafana, and leaves the rest alone."""

import hashlib
import zlib

from haidang_protocols.boards.model import BoardKind
from haidang_protocols.catalogue.model import Scope

UID_MAX = 40
PREFIX = "haidang-"
TAG = "haidang"
FOLDER_TITLE = "Hải đăng"
_DIGEST = 8
_ID_MAX = 2**31 - 1


def uid(*words: str) -> str:
    """A uid of at most 40 characters, the same for the same words."""
    whole = PREFIX + "-".join(words)
    if len(whole) <= UID_MAX:
        return whole
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:_DIGEST]
    return f"{whole[: UID_MAX - _DIGEST - 1]}-{digest}"


def board_uid(centre: str, scope: str, kind: BoardKind) -> str:
    """The uid of a scope's board."""
    return uid(kind, centre, scope)


def data_source_uid(centre: str, scope: str) -> str:
    """The uid of the one data source of a scope's organisation."""
    return uid("bucket", centre, scope)


def folder_uid(centre: str, scope: str) -> str:
    """The uid of the folder that holds a scope's boards."""
    return uid("boards", centre, scope)


def centre_tag(centre: str) -> str:
    """The tag of all boards of a centre."""
    return f"{TAG}-{centre}"


def organisation_mark(centre: str, scope: str) -> str:
    """How the name of a scope's organisation ends: names change, ids do not."""
    return f"[{centre}/{scope}]"


def organisation_name(centre: str, scope: Scope) -> str:
    """What people see in Grafana's list of organisations."""
    return f"{scope.name.vi} {organisation_mark(centre, scope.id)}"


def panel_id(key: str) -> int:
    """A panel's number, which its links and shared views hold on to whatever stands before it."""
    return zlib.crc32(key.encode()) % _ID_MAX + 1
