"""Hypothesis strategies for what travels, shared by the tests of every package."""

from hypothesis import strategies as st

from haidang_protocols.wire.names import RESERVED
from haidang_protocols.wire.records import (
    INT64_MAX,
    Event,
    Gap,
    LineCount,
    Observation,
    Phase,
    Record,
    RecordClass,
    RuleKind,
    ZoneCount,
)
from haidang_protocols.wire.topics import Severity

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,47}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)
SPOOLS = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
SEQS = st.integers(1, INT64_MAX)
TIMES = st.integers(0, INT64_MAX)
COUNTS = st.integers(0, INT64_MAX)
SHARES = st.floats(0.0, 1.0)
SECONDS = st.floats(0.0, 1e6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\\"), max_size=30)
BOXES = st.tuples(SHARES, SHARES, SHARES, SHARES)

_BASE = {"t": TIMES, "boot": TEXTS, "mono": TIMES, "synced": st.booleans()}

EVENTS = st.builds(
    Event,
    **_BASE,
    camera=NAMES,
    rule=NAMES,
    type=st.sampled_from(RuleKind),
    phase=st.sampled_from(Phase),
    event=TEXTS,
    severity=st.sampled_from(Severity),
    alarm=st.booleans(),
    zone=TEXTS,
    cls=TEXTS,
    track=st.none() | COUNTS,
    score=st.none() | SHARES,
    box=st.none() | BOXES,
    count=st.none() | COUNTS,
    direction=st.sampled_from(["", "forward", "backward"]),
    duration_s=st.none() | SECONDS,
    snapshot=st.booleans(),
    model=TEXTS,
    catalogue=COUNTS,
)
OBSERVATIONS = st.builds(
    Observation,
    **_BASE,
    camera=NAMES,
    interval_s=SECONDS,
    frames=COUNTS,
    counts=st.lists(
        st.builds(ZoneCount, zone=TEXTS, cls=TEXTS, mean=SECONDS, max=COUNTS), max_size=3
    ).map(tuple),
    crossings=st.lists(
        st.builds(LineCount, line=TEXTS, cls=TEXTS, forward=COUNTS, backward=COUNTS), max_size=3
    ).map(tuple),
    model=TEXTS,
)
GAPS = st.builds(
    Gap,
    **_BASE,
    ranges=st.lists(st.tuples(SEQS, SEQS), max_size=4).map(tuple),
    cls=st.sampled_from(RecordClass),
    reason=TEXTS,
)
RECORDS: st.SearchStrategy[Record] = st.one_of(EVENTS, OBSERVATIONS, GAPS)
"""Any record that a node may send."""
