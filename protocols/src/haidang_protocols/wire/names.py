"""Names that travel: ids of centre, site, node, camera, spool, record, case; checked here."""

import re
from typing import NewType

from haidang_protocols.errors import UserError

CentreId = NewType("CentreId", str)
SiteId = NewType("SiteId", str)
NodeId = NewType("NodeId", str)
CameraId = NewType("CameraId", str)
ScopeId = NewType("ScopeId", str)
SpoolId = NewType("SpoolId", str)
RecordId = NewType("RecordId", str)
CaseId = NewType("CaseId", str)

# `$` alone would let a line break through at the end
NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,47}$(?!\\n)"
NAME_RULE = "1 to 48 of a-z 0-9 _ -, beginning with a letter or digit"
RESERVED = frozenset({"case", "ingest", "node", "answer"})
SPOOL_PATTERN = "^[0-9a-f]{16}$(?!\\n)"

_NAME = re.compile(NAME_PATTERN)
_SPOOL = re.compile(SPOOL_PATTERN)
_RECORD = re.compile("([a-z0-9][a-z0-9_-]{0,47})\\.([0-9a-f]{16})\\.([1-9][0-9]{0,18})")


class NameRefusedError(UserError):
    """A name may not travel on the wire."""


def check_name(name: str, *, what: str) -> str:
    """Return `name`, or raise `NameRefusedError` saying what is allowed."""
    if not _NAME.match(name):
        raise NameRefusedError(f"{what} {name!r} is not allowed: {NAME_RULE}")
    if name in RESERVED:
        words = ", ".join(sorted(RESERVED))
        raise NameRefusedError(f"{what} {name!r} is a reserved word; reserved are {words}")
    return name


def is_name(text: str) -> bool:
    """Whether `text` has the form of a name; a reserved word has it too."""
    return bool(_NAME.match(text))


def is_spool_id(text: str) -> bool:
    """Whether `text` is a spool id: 16 hexadecimal digits, drawn when a spool is made."""
    return bool(_SPOOL.match(text))


def record_id(node: str, spool: str, seq: int) -> RecordId:
    """The one id of a record: node, spool and sequence; derived, never sent."""
    return RecordId(f"{node}.{spool}.{seq}")


def parse_record_id(text: str) -> tuple[NodeId, SpoolId, int]:
    """Take a record id apart; raises `NameRefusedError`."""
    found = _RECORD.fullmatch(text)
    if found is None:
        raise NameRefusedError(f"record id {text!r} is not allowed: node.spool.seq")
    return NodeId(found[1]), SpoolId(found[2]), int(found[3])


def case_id_of(record: RecordId) -> CaseId:
    """The case that an alarm-class record raises: the same record gives the same case, always."""
    return CaseId(f"alert-{record.replace('.', '-')}")
