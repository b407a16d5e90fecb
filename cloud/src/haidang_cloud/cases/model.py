"""What the room speaks of: a case as it is read, its history, an answer, and why one is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from haidang_cloud.cases import life
from haidang_cloud.errors import RefusedError
from haidang_protocols.wire.messages import AnswerKind, CaseMessage, CaseState
from haidang_protocols.wire.records import Box, Event, RuleKind
from haidang_protocols.wire.topics import Severity

_BOX = msgspec.json.Decoder(Box | None)

Owner = Callable[[Event], tuple[str, str]]
"""Scope and place that an event belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody said of a case; the same `id` again is the same answer."""

    kind: AnswerKind
    actor: str
    via: str
    note: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a case's history; nobody's name stands where the node itself spoke."""

    at_ns: int
    actor: str
    via: str
    action: str
    from_state: str
    to_state: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as it is read.

    Attributes:
        by: who answered last.
        version: grows with every change, and whenever staff shall hear of it once more.
        told_version: the one that the broker has confirmed.
        changed_ns: when it last changed; two changes of one case never share it.
    """

    id: str
    centre: str
    kind: str
    scope: str
    place: str
    node: str
    camera: str
    rule: str
    type: RuleKind
    zone: str
    cls: str
    severity: Severity
    state: CaseState
    record: str
    event: str
    t_ns: int
    raised_ns: int
    ended_ns: int | None
    by: str
    delayed: bool
    synced: bool
    snapshot: bool
    box: Box | None
    note: str
    version: int
    telling_version: int
    telling_until_ns: int
    told_version: int
    changed_ns: int

    def message(self) -> CaseMessage:
        """The case as staff are told it.

        `at` is the time of the change, so that of two messages the later one can be known by it in
        whatever order they come, and one that is told again is the same.
        """
        return CaseMessage(
            case=self.id,
            scope=self.scope,
            severity=self.severity,
            state=self.state,
            record=self.record,
            t=self.t_ns,
            at=self.changed_ns,
            camera=self.camera,
            place=self.place,
            rule=self.rule,
            type=self.type,
            zone=self.zone,
            cls=self.cls,
            box=self.box,
            by=self.by,
            note=self.note,
            snapshot=self.snapshot,
            delayed=self.delayed,
            synced=self.synced,
        )


def view(row: Any) -> CaseView:  # noqa: ANN401  # a row of `case`
    """A row as it is read."""
    fields = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's documented way to a row's mapping
    fields["type"] = RuleKind(fields["type"])
    fields["severity"] = Severity(fields["severity"])
    fields["state"] = CaseState(fields["state"])
    fields["box"] = _BOX.decode(fields["box"])
    return CaseView(**fields)


class CaseConflictError(RefusedError):
    """The case stands where this answer is not taken; `found` says where, and who was first."""

    def __init__(self, found: CaseView, kind: AnswerKind) -> None:
        """Say who was first and what may still be answered."""
        who = f" by {found.by}" if found.by else ""
        may = ", ".join(answer.value for answer in life.allowed(found.state)) or "nothing more"
        super().__init__(
            "conflict.case",
            f"the case is {found.state.value}{who}; {kind.value} is not taken now, but {may}",
            state=found.state.value,
            answer=kind.value,
            by=found.by,
        )
        self.found = found
