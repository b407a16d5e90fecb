"""What ingest takes and what it refuses, and why: no broker, no database."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.sender import SPOOL, START, envelope, event, events
from haidang_cloud.ingest import Directory, Judge
from haidang_cloud.ingest.taken import Taken
from haidang_cloud.lake.archive import FRAME, Header
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.timeseries.lines import parse
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState
from haidang_protocols.wire.records import (
    MESSAGE_BYTES_MAX,
    Gap,
    LineCount,
    Observation,
    RecordClass,
    ZoneCount,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot
from haidang_protocols.wire.topics import NodeLeaf

NOW = START + 60 * 10**9
KEY = SpoolKey("gate-1", SPOOL, "gate")
JPEG = b"\xff\xd8picture"


def taken(
    catalogue: Catalogue,
    payload: bytes,
    *,
    leaf: NodeLeaf = NodeLeaf.RECORDS,
    site: str = "gate",
    node: str = "gate-1",
    tail: str | None = None,
    known: SeqSet | None = None,
    into: Taken | None = None,
) -> Taken:
    judge = Judge(Directory(catalogue, 7), lambda _: known or SeqSet())
    into = into or Taken()
    text = topics.node_topic("demo", site, node, leaf, tail)
    topic = topics.parse(text)
    assert isinstance(topic, topics.NodeTopic)
    judge.take(into, topic, text, payload, NOW)
    return into


def refusals(found: Taken) -> list[tuple[str, int]]:
    return [(letter.reason, letter.seq) for letter in found.letters]


def header_of(frame: bytes) -> Header:
    _, _, size = FRAME.unpack_from(frame)
    return msgspec.json.decode(frame[FRAME.size : FRAME.size + size], type=Header)


def test_a_good_batch_is_taken_whole(minimal: Catalogue) -> None:
    found = taken(minimal, events(1, 3))
    assert found.letters == []
    assert found.stored == {KEY: SeqSet([(1, 3)])}
    assert [parse(line.decode()).fields["id"] for line in found.lines] == [
        f"gate-1.{SPOOL}.{n}" for n in (1, 2, 3)
    ]
    assert len(found.frames) == 1
    assert header_of(found.frames[0]).catalogue == 7
    assert found.windows == {("camera_record", "gate"): (START + 1, START + 3)}
    assert found.alarms == []


def test_a_bad_record_spoils_no_other(minimal: Catalogue) -> None:
    future = event(t=NOW + 301 * 10**9)
    found = taken(
        minimal,
        envelope(
            [
                (1, event(1)),
                (2, b'{"kind":"event","t":"soon"}'),
                (3, event(3)),
                (4, future),
                (5, event(5, camera="nowhere")),
                (6, b'{"kind":"poem","t":1}'),
                (7, event(7)),
            ]
        ),
    )
    assert refusals(found) == [
        ("malformed", 2),
        ("future", 4),
        ("unknown_camera", 5),
        ("malformed", 6),
    ]
    assert found.stored[KEY] == SeqSet([(1, 7)]), "a dead letter counts as stored"
    assert header_of(found.frames[0]).refused == (2, 4, 5, 6)
    assert len(found.lines) == 3
    assert found.letters[1].payload == encode_record(future)
    assert all(letter.spool == SPOOL and letter.node == "gate-1" for letter in found.letters)


@pytest.mark.parametrize("said", ["centre", "site", "node"])
def test_an_envelope_that_lies_about_itself_is_forged(minimal: Catalogue, said: str) -> None:
    honest = {"centre": "demo", "site": "gate", "node": "gate-1"}
    payload = envelope([(1, event(1)), (2, event(2))])
    found = taken(
        minimal, payload.replace(f'"{said}":"{honest[said]}"'.encode(), b'"%b":"x"' % said.encode())
    )
    assert refusals(found) == [("forged", 0)]
    assert found.stored == {KEY: SeqSet([(1, 2)])}, "else it would be sent for ever"
    assert found.frames == found.lines == []


def test_a_node_at_another_site_is_forged_and_one_that_is_not_there_unknown(
    minimal: Catalogue,
) -> None:
    moved = taken(minimal, envelope([(1, event(1))], site="far"), site="far")
    assert refusals(moved) == [("forged", 1)]
    strange = taken(minimal, envelope([(1, event(1))], node="gate-9"), node="gate-9")
    assert refusals(strange) == [("unknown_node", 1)]
    assert strange.stored == {SpoolKey("gate-9", SPOOL, "gate"): SeqSet([(1, 1)])}
    assert strange.frames == strange.lines == moved.frames == []


def test_a_camera_of_another_node_is_forged(two_nodes: Catalogue) -> None:
    found = taken(two_nodes, envelope([(1, event(1))], node="gate-2"), node="gate-2")
    assert refusals(found) == [("forged", 1)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (events(1, 2).replace(b'"v":1', b'"v":2'), "version"),
        (b'{"v":9,"all":"new"}', "version"),
        (events(1, 2).replace(b"[1,2]", b"[1]"), "malformed"),
        (events(1, 2).replace(b"[1,2]", b"[2,1]"), "malformed"),
        (events(1, 2).replace(b"[1,2]", b"[0,1]"), "malformed"),
        (events(1, 2).replace(b"[1,2]", b"[1,9223372036854775808]"), "malformed"),
        (events(1, 2) + b" " * MESSAGE_BYTES_MAX, "oversized"),
    ],
)
def test_an_envelope_that_cannot_be_read_is_one_letter_without_a_sequence(
    minimal: Catalogue, payload: bytes, reason: str
) -> None:
    found = taken(minimal, payload)
    assert refusals(found) == [(reason, 0)]
    assert found.letters[0].payload == payload
    assert not found.stored


def test_a_gap_closes_its_holes_even_when_it_is_refused_itself(minimal: Catalogue) -> None:
    gap = Gap(t=START, ranges=((2, 4), (7, 7)), cls=RecordClass.EVENT, reason="quota")
    found = taken(minimal, envelope([(9, gap)]))
    assert found.stored[KEY] == SeqSet([(2, 4), (7, 7), (9, 9)])
    assert parse(found.lines[0].decode()).fields["count"] == 4
    late = Gap(t=NOW + 10**13, ranges=((2, 4),), cls=RecordClass.EVENT, reason="quota")
    refused = taken(minimal, envelope([(9, late)]))
    assert refusals(refused) == [("future", 9)]
    assert refused.stored[KEY] == SeqSet([(2, 4), (9, 9)])


@pytest.mark.parametrize("ranges", [((5, 2),), ((3, 9),), ((1, 2**62),)])
def test_a_gap_that_makes_no_sense_closes_nothing(
    minimal: Catalogue, ranges: tuple[tuple[int, int], ...]
) -> None:
    gap = Gap(t=START, ranges=((1, 1), *ranges), cls=RecordClass.EVENT, reason="?")
    found = taken(minimal, envelope([(9, gap)]))
    assert refusals(found) == [("malformed", 9)]
    assert found.stored[KEY] == SeqSet([(9, 9)])


def test_what_is_stored_is_not_stored_again(minimal: Catalogue) -> None:
    found = taken(minimal, events(1, 4, alarm=True), known=SeqSet([(1, 2), (4, 4)]))
    assert [alarm.record_id for alarm in found.alarms] == [f"gate-1.{SPOOL}.3"]
    assert len(found.lines) == 1
    assert found.stored[KEY] == SeqSet([(1, 4)]), "and yet the node must hear of it"
    whole = taken(minimal, events(1, 4), known=SeqSet([(1, 4)]))
    assert whole.frames == whole.lines == []
    assert whole.stored[KEY] == SeqSet([(1, 4)])


def test_the_same_message_twice_in_one_batch_is_taken_once(minimal: Catalogue) -> None:
    into = taken(minimal, events(1, 4, alarm=True))
    taken(minimal, events(2, 5, alarm=True), into=into)
    assert len(into.lines) == len(into.alarms) == 5
    assert into.records == 8


def test_an_alarm_goes_to_the_outbox_as_it_came(minimal: Catalogue) -> None:
    found = taken(minimal, envelope([(1, event(1)), (2, event(2, alarm=True))]))
    (alarm,) = found.alarms
    assert alarm.record_id == f"gate-1.{SPOOL}.2"
    assert alarm.payload == encode_record(event(2, alarm=True))
    assert found.events == [event(2, alarm=True)]


def test_unknown_zones_and_classes_make_no_series_of_their_own(minimal: Catalogue) -> None:
    counted = Observation(
        t=START,
        camera="gate-east",
        interval_s=60,
        frames=1,
        counts=(ZoneCount(zone="yard", cls="unicorn", mean=1, max=1),),
        crossings=(LineCount(line="none", cls="person", forward=1),),
    )
    found = taken(minimal, envelope([(1, event(1, zone="new", cls="unicorn")), (2, counted)]))
    tags = [parse(line.decode()).tags for line in found.lines]
    assert (tags[0]["zone"], tags[0]["cls"]) == ("other", "other")
    assert (tags[1]["zone"], tags[1]["cls"]) == ("yard", "other")
    assert (tags[2]["line"], tags[2]["cls"]) == ("other", "person")
    assert b"unicorn" in found.frames[0], "the record itself is kept as it came"


def picture(
    seq: int = 5, *, record: int = 2, camera: str = "gate-east", jpeg: bytes = JPEG
) -> bytes:
    header = SnapshotHeader(
        spool=SPOOL,
        seq=seq,
        record=f"gate-1.{SPOOL}.{record}",
        camera=camera,
        t=START,
        crop=(0.0, 0.0, 1.0, 1.0),
    )
    return encode_snapshot(header, jpeg)


def snapshot(catalogue: Catalogue, payload: bytes, *, known: SeqSet | None = None) -> Taken:
    tail = f"gate-1.{SPOOL}.2"
    return taken(catalogue, payload, leaf=NodeLeaf.SNAPSHOT, tail=tail, known=known)


def test_a_snapshot_is_acknowledged_by_its_own_sequence(minimal: Catalogue) -> None:
    found = snapshot(minimal, picture())
    assert found.stored == {KEY: SeqSet([(5, 5)])}
    assert [p.jpeg for p in found.pictures] == [JPEG]
    assert snapshot(minimal, picture(), known=SeqSet([(5, 5)])).pictures == []


def test_a_snapshot_that_cannot_be(minimal: Catalogue) -> None:
    for payload, reason in (
        (picture(record=3), "forged"),
        (picture().replace(b"gate-1." + SPOOL.encode(), b"no record id whatsoever"), "forged"),
        (picture(camera="nowhere"), "unknown_camera"),
    ):
        found = snapshot(minimal, payload)
        assert refusals(found) == [(reason, 5)]
        assert found.stored == {KEY: SeqSet([(5, 5)])}
    for payload in (b"", b"\0\0\0\1", picture(jpeg=b"GIF89a")):
        assert refusals(snapshot(minimal, payload)) == [("malformed", 0)]


def beat(at: int, *cameras: str) -> bytes:
    return messages.encode(
        messages.Heartbeat(
            at=at,
            clock=ClockState(boot="b", mono=1, wall=at, synced=True),
            cameras=tuple(CameraHealth(id=c, state=CameraState.LIVE) for c in cameras),
        )
    )


def test_a_heartbeat_becomes_points_of_what_the_catalogue_knows(minimal: Catalogue) -> None:
    found = taken(minimal, beat(NOW - 5, "gate-east", "invented"), leaf=NodeLeaf.HEARTBEAT)
    points = [parse(line.decode()) for line in found.lines]
    assert [(p.measurement, p.t) for p in points] == [("node", NOW - 5), ("camera", NOW - 5)]
    assert found.windows == {("node_health", "gate"): (NOW - 5, NOW - 5)}


@pytest.mark.parametrize("at", [0, 2**63 - 1])
def test_a_heartbeat_of_a_wrong_clock_is_seen_all_the_same(minimal: Catalogue, at: int) -> None:
    found = taken(minimal, beat(at), leaf=NodeLeaf.HEARTBEAT)
    assert parse(found.lines[0].decode()).t == NOW


def test_a_node_s_word_on_itself_is_refused_alike_each_time(minimal: Catalogue) -> None:
    letters = [
        taken(minimal, payload, leaf=leaf, node="gate-9").letters[0]
        for leaf in (NodeLeaf.HEARTBEAT, NodeLeaf.BIRTH)
        for payload in (beat(NOW), beat(NOW + 1))
    ]
    assert {letter.reason for letter in letters} == {"unknown_node"}
    assert letters[0].alike == letters[1].alike != letters[2].alike


def test_a_birth_asks_for_the_watermark_of_its_spool(minimal: Catalogue) -> None:
    birth = messages.Birth(
        spool=SPOOL,
        next_seq=9,
        agent="1",
        clock=ClockState(boot="b", mono=1, wall=NOW, synced=True),
    )
    found = taken(minimal, messages.encode(birth), leaf=NodeLeaf.BIRTH)
    assert [born.node for born in found.births] == ["gate-1"]
    assert found.stored == {KEY: SeqSet()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = ("kind", "t", "camera", "type", "zone", "cls", "track", "ranges", "counts", "event")
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(changes=FIELDS, raw=st.binary(max_size=60))
def test_whatever_a_record_says_it_is_taken_or_refused_and_never_breaks_anything(
    minimal: Catalogue, changes: dict[str, object], raw: bytes
) -> None:
    good = msgspec.to_builtins(event(1))
    try:
        odd = msgspec.json.encode({"kind": "event", **good, **changes})
    except (OverflowError, UnicodeEncodeError):
        odd = raw
    found = taken(minimal, envelope([(1, event(1)), (2, odd)]))
    assert found.stored.get(KEY, SeqSet()) in (SeqSet([(1, 2)]), SeqSet())
    for line in found.lines:
        parse(line.decode())
    for payload in (odd, raw):
        for leaf in (NodeLeaf.RECORDS, NodeLeaf.HEARTBEAT, NodeLeaf.BIRTH):
            taken(minimal, payload, leaf=leaf)
        snapshot(minimal, payload)


SEQS = st.lists(st.integers(1, 12), min_size=1, max_size=6, unique=True).map(sorted)
RECORDS = st.builds(
    event,
    st.integers(0, 10**6),
    zone=st.sampled_from(["yard", "new", ""]),
    cls=st.sampled_from(["person", "unicorn", ""]),
    alarm=st.booleans(),
    camera=st.sampled_from(["gate-east"] * 6 + ["nowhere"]),
    t=st.sampled_from([START, START + 1] * 6 + [NOW + 10**13]),
    box=st.none() | st.tuples(*[st.floats(0, 1)] * 4),
    score=st.none() | st.floats(0, 1),
    rule=st.sampled_from(["night-intrusion"] * 6 + ["no name"]),
    event=st.text(max_size=5),
)


@settings(deadline=None)
@given(seqs=SEQS, known=SEQS | st.just([]), data=st.data())
def test_the_quick_way_and_the_careful_one_take_the_same(
    minimal: Catalogue, seqs: list[int], known: list[int], data: st.DataObject
) -> None:
    payload = envelope([(seq, data.draw(RECORDS)) for seq in seqs])
    judge = Judge(Directory(minimal, 7), lambda _: SeqSet((n, n) for n in known))
    text = topics.node_topic("demo", "gate", "gate-1", NodeLeaf.RECORDS)
    topic = topics.parse(text)
    assert isinstance(topic, topics.NodeTopic)
    chosen, careful = Taken(), Taken()
    for _ in range(2):  # the second time, it is known from the first
        judge.take(chosen, topic, text, payload, NOW)
        judge.one_by_one(careful, topic, text, payload, NOW)
    assert chosen == careful
