"""Who may do what on the broker: made from the wire's topics, so that no list is kept by hand.

An identity is a certificate's CN. `publish` is sending; `subscribe` is asking for a filter;
`receive` is being sent a message. Default for everything else: refused.
"""

from dataclasses import dataclass
from enum import StrEnum

from haidang_protocols.wire import topics
from haidang_protocols.wire.topics import NodeLeaf

INGEST_GROUP = "ingest"

_NODE_UP = (
    NodeLeaf.RECORDS,
    NodeLeaf.BIRTH,
    NodeLeaf.STATE,
    NodeLeaf.HEARTBEAT,
    NodeLeaf.ALARM,
    NodeLeaf.REPORTED,
    NodeLeaf.REPLY,
    NodeLeaf.SNAPSHOT,
)
_NODE_DOWN = (NodeLeaf.STORED, NodeLeaf.DESIRED, NodeLeaf.COMMAND)
INGEST_READS = (NodeLeaf.RECORDS, NodeLeaf.SNAPSHOT, NodeLeaf.HEARTBEAT, NodeLeaf.BIRTH)
_CONSOLE_READS = (NodeLeaf.BIRTH, NodeLeaf.STATE, NodeLeaf.HEARTBEAT, NodeLeaf.REPLY)


class Verb(StrEnum):
    """What an access line allows."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One thing that an identity may do."""

    verb: Verb
    filter: str


def _reads(*filters: str, group: str | None = None) -> tuple[Acl, ...]:
    asked = [f if group is None else topics.shared(group, f) for f in filters]
    return (
        *(Acl(Verb.SUBSCRIBE, f) for f in asked),
        *(Acl(Verb.RECEIVE, f) for f in filters),
    )


def node_acl(centre: str, site: str, node: str) -> tuple[Acl, ...]:
    """A node writes below its own name, reads what is meant for it, sees whether ingest is up."""
    up = (topics.node_filter(centre, leaf, site=site, node=node) for leaf in _NODE_UP)
    down = (topics.node_filter(centre, leaf, site=site, node=node) for leaf in _NODE_DOWN)
    return (
        *(Acl(Verb.PUBLISH, f) for f in up),
        *_reads(*down, topics.ingest_filter(centre)),
    )


def ingest_acl(centre: str) -> tuple[Acl, ...]:
    """Ingest shares the nodes' records, writes watermarks, tells staff while the state is down."""
    reads = tuple(topics.node_filter(centre, leaf) for leaf in INGEST_READS)
    return (
        *_reads(*reads, group=INGEST_GROUP),
        Acl(Verb.PUBLISH, topics.node_filter(centre, NodeLeaf.STORED)),
        Acl(Verb.PUBLISH, topics.ingest_filter(centre)),
        Acl(Verb.PUBLISH, topics.case_filter(centre)),
    )


def worker_acl(centre: str) -> tuple[Acl, ...]:
    """Each worker tells cases, gets every answer, and tells nodes what they are wanted to run.

    Every answer: with one worker gone, the others still have it.
    """
    return (
        Acl(Verb.PUBLISH, topics.case_filter(centre)),
        Acl(Verb.PUBLISH, topics.node_filter(centre, NodeLeaf.DESIRED)),
        *_reads(topics.answer_filter(centre)),
    )


def bridge_acl(centre: str, site: str, scopes: tuple[str, ...] = ()) -> tuple[Acl, ...]:
    """A site's broker speaks for its site's nodes and carries the cases of `scopes` to its guards.

    The lines are the centre's view: what it publishes is what goes up, what it receives comes down.
    """
    up = (topics.node_filter(centre, leaf, site=site) for leaf in _NODE_UP)
    down = (topics.node_filter(centre, leaf, site=site) for leaf in _NODE_DOWN)
    cases = (topics.case_filter(centre, scope) for scope in scopes)
    answers = (topics.answer_filter(centre, scope) for scope in scopes)
    return (
        *(Acl(Verb.PUBLISH, f) for f in (*up, *answers)),
        *_reads(*down, topics.ingest_filter(centre), *cases),
    )


def console_acl(centre: str) -> tuple[Acl, ...]:
    """The console watches nodes and cases, and sends commands."""
    reads = (topics.node_filter(centre, leaf) for leaf in _CONSOLE_READS)
    return (
        *_reads(*reads, topics.case_filter(centre), topics.ingest_filter(centre)),
        Acl(Verb.PUBLISH, topics.node_filter(centre, NodeLeaf.COMMAND)),
    )


def staff_acl(centre: str, scope: str, *, sites: tuple[str, ...] = ()) -> tuple[Acl, ...]:
    """Staff of a scope read its cases and answer them; `scope` "+" is the whole centre.

    `sites` are those whose nodes' own alarms they may hear while the centre is out of reach.
    """
    alarms = (topics.node_filter(centre, NodeLeaf.ALARM, site=site) for site in sites)
    return (
        *_reads(topics.case_filter(centre, scope), *alarms),
        Acl(Verb.PUBLISH, topics.answer_filter(centre, scope)),
    )
