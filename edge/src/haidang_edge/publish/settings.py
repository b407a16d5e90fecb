"""Who the node is, where its broker is, and how fast it may send."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The node's place on the wire; `node` is the CN of its certificate."""

    centre: str
    site: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The broker and the certificates; `plain` is for a broker on the same machine only."""

    host: str
    port: int = 8883
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    plain: bool = False
    keepalive_s: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How records leave.

    Attributes:
        window: records sent and not stored yet, at most.
        linger_s: a batch that is not full waits this long; an alarm never does.
        stall_s: without news from the centre for this long, everything is sent again; it doubles up
            to `stall_max_s`.
        backlog_age_s: a record older than this when it is sent is backlog.
        backlog_per_s: backlog records a second, so that a long outage drowns nobody.
        alarm_patience_s: an alarm not stored after this is told to the site directly.
        unreadable_after: how often a record stays a hole, while what was sent after it is stored,
            before it goes alone, and again as often before it is given up.
        unreadable_s: how long it must have been a hole to be given up: longer than a broker takes
            to find out that a worker hangs which holds it.
    """

    window: int = 2000
    linger_s: float = 0.2
    stall_s: float = 4.0
    stall_max_s: float = 60.0
    backlog_age_s: float = 30.0
    backlog_per_s: float = 200.0
    alarm_patience_s: float = 2.0
    unreadable_after: int = 3
    unreadable_s: float = 600.0
