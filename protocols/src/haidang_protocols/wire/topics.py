"""Every topic of the wire: built, parsed and filtered here and nowhere else."""

from dataclasses import dataclass
from enum import StrEnum

from haidang_protocols.errors import UserError
from haidang_protocols.wire.names import (
    CaseId,
    CentreId,
    NameRefusedError,
    NodeId,
    RecordId,
    ScopeId,
    SiteId,
    check_name,
    parse_record_id,
)

ROOT = "haidang/v1"
_ROOT_WORDS = tuple(ROOT.split("/"))


class TopicRefusedError(UserError):
    """A topic is none of the wire's."""


class Severity(StrEnum):
    """How soon somebody must look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class NodeLeaf(StrEnum):
    """What stands below `node/{s}/{n}/`; command and snapshot take one word more."""

    RECORDS = "records"
    STORED = "stored"
    BIRTH = "birth"
    STATE = "state"
    HEARTBEAT = "heartbeat"
    ALARM = "alarm"
    DESIRED = "desired"
    REPORTED = "reported"
    COMMAND = "command"
    REPLY = "reply"
    SNAPSHOT = "snapshot"


_LEAVES = frozenset(leaf.value for leaf in NodeLeaf)
_SEVERITIES = frozenset(severity.value for severity in Severity)
_WITH_TAIL = frozenset({NodeLeaf.COMMAND, NodeLeaf.SNAPSHOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTopic:
    """A topic of one node; `tail` is a command's verb or a snapshot's record id."""

    centre: CentreId
    site: SiteId
    node: NodeId
    leaf: NodeLeaf
    tail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTopic:
    """A case told to staff."""

    centre: CentreId
    scope: ScopeId
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTopic:
    """A staff member's answer to a case."""

    centre: CentreId
    scope: ScopeId
    case: CaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTopic:
    """State of one ingest worker."""

    centre: CentreId
    worker: str


Topic = NodeTopic | CaseTopic | AnswerTopic | IngestTopic


def node_topic(centre: str, site: str, node: str, leaf: NodeLeaf, tail: str | None = None) -> str:
    """The topic of one node's `leaf`."""
    base = f"{ROOT}/{centre}/node/{site}/{node}/{leaf}"
    if (tail is not None) != (leaf in _WITH_TAIL):
        raise TopicRefusedError(f"topic {base!r}: a tail belongs to command and snapshot only")
    return base if tail is None else f"{base}/{tail}"


def case_topic(centre: str, scope: str, severity: Severity) -> str:
    """Where a case of `scope` is told to staff."""
    return f"{ROOT}/{centre}/case/{scope}/{severity}"


def answer_topic(centre: str, scope: str, case: str) -> str:
    """Where staff answer a case."""
    return f"{ROOT}/{centre}/case/{scope}/answer/{case}"


def ingest_topic(centre: str, worker: str) -> str:
    """Where an ingest worker tells whether it is up."""
    return f"{ROOT}/{centre}/ingest/{worker}/state"


def node_filter(centre: str, leaf: NodeLeaf, *, site: str = "+", node: str = "+") -> str:
    """The filter for `leaf` of many nodes."""
    tail = "/+" if leaf in _WITH_TAIL else ""
    return f"{ROOT}/{centre}/node/{site}/{node}/{leaf}{tail}"


def case_filter(centre: str, scope: str = "+", severity: str = "+") -> str:
    """The filter for cases told to staff; `+` for every scope or severity."""
    return f"{ROOT}/{centre}/case/{scope}/{severity}"


def answer_filter(centre: str, scope: str = "+") -> str:
    """The filter for answers of staff."""
    return f"{ROOT}/{centre}/case/{scope}/answer/+"


def ingest_filter(centre: str) -> str:
    """The filter for the state of every ingest worker."""
    return f"{ROOT}/{centre}/ingest/+/state"


def shared(group: str, topic_filter: str) -> str:
    """The filter of a shared subscription: each message goes to one member of `group`."""
    return f"$share/{group}/{topic_filter}"


def parse(topic: str) -> Topic:
    """Take a topic apart; raises `TopicRefusedError` for anything that the wire does not know."""
    words = topic.split("/")
    try:
        if tuple(words[:2]) == _ROOT_WORDS and len(words) > 3:
            centre = CentreId(check_name(words[2], what="centre"))
            known = _parse_below(centre, words[3], words[4:])
            if known is not None:
                return known
    except NameRefusedError as error:
        raise TopicRefusedError(f"topic {topic!r}: {error}") from error
    raise TopicRefusedError(f"topic {topic!r} is none of {ROOT}/{{centre}}/node|case|ingest/…")


def _parse_below(centre: CentreId, kind: str, rest: list[str]) -> Topic | None:
    if kind == "node" and len(rest) in (3, 4):
        return _parse_node(centre, rest)
    if kind == "case" and len(rest) == 2 and rest[1] in _SEVERITIES:
        scope = ScopeId(check_name(rest[0], what="scope"))
        return CaseTopic(centre=centre, scope=scope, severity=Severity(rest[1]))
    if kind == "case" and len(rest) == 3 and rest[1] == "answer" and rest[2]:
        scope = ScopeId(check_name(rest[0], what="scope"))
        return AnswerTopic(centre=centre, scope=scope, case=CaseId(rest[2]))
    if kind == "ingest" and len(rest) == 2 and rest[1] == "state":
        return IngestTopic(centre=centre, worker=check_name(rest[0], what="worker"))
    return None


def _parse_node(centre: CentreId, rest: list[str]) -> NodeTopic | None:
    site = SiteId(check_name(rest[0], what="site"))
    node = NodeId(check_name(rest[1], what="node"))
    if rest[2] not in _LEAVES:
        return None
    leaf = NodeLeaf(rest[2])
    tail = rest[3] if len(rest) == 4 else None
    if (tail is not None) != (leaf in _WITH_TAIL):
        return None
    if leaf is NodeLeaf.SNAPSHOT and tail is not None:
        parse_record_id(tail)
    if leaf is NodeLeaf.COMMAND and tail is not None:
        check_name(tail, what="verb")
    return NodeTopic(centre=centre, site=site, node=node, leaf=leaf, tail=tail)


def snapshot_topic(centre: str, site: str, node: str, record: RecordId) -> str:
    """Where the picture of one record goes."""
    return node_topic(centre, site, node, NodeLeaf.SNAPSHOT, record)
