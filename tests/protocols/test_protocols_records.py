"""Records and the batch that carries them: any of them whole, a bad one alone, nothing breaks."""

import contextlib
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.records import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    MESSAGE_BYTES_MAX,
    Event,
    Gap,
    Observation,
    Phase,
    Record,
    RuleKind,
    decode_batch,
    decode_record,
    encode_batch,
    encode_record,
    split_batches,
)
from haidang_protocols.wire.topics import Severity
from strategies import RECORDS

SPOOL = "00112233aabbccdd"
EVENT = b'{"kind":"event","t":1,"camera":"c","rule":"r","type":"line","phase":"moment","event":"e"}'


def batch(*records: tuple[int, bytes], spool: str = SPOOL) -> bytes:
    return encode_batch(spool=spool, centre="c", site="s", node="n", records=list(records), sent=5)


def said(payload: bytes) -> str:
    """The reason for which a batch is refused."""
    with pytest.raises(MessageRefusedError) as caught:
        decode_batch(payload)
    return caught.value.reason


def changed(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(EVENT), **fields})


@given(RECORDS)
def test_any_record_is_read_as_it_was_written(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


def test_what_a_record_does_not_say_has_its_default() -> None:
    event = decode_record(EVENT)
    assert isinstance(event, Event)
    assert (event.severity, event.alarm, event.synced) == (Severity.INFO, False, True)
    assert (event.track, event.box, event.zone, event.catalogue) == (None, None, "", 0)
    assert encode_record(event) == EVENT


def test_unknown_fields_are_ignored_and_an_unknown_rule_is_other() -> None:
    event = decode_record(changed(type="arson", invented={"a": [1]}))
    assert isinstance(event, Event)
    assert event.type is RuleKind.OTHER
    assert event.phase is Phase.MOMENT


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"kind":"event"}',
        b"\xff\xfe",
        b'{"kind":"event","t":1',
        EVENT + b"x",
        changed(kind="invented"),
        changed(t=-1),
        changed(t=2**63),
        changed(t=1.5),
        changed(t=True),
        changed(t="1"),
        changed(camera="Gate"),
        changed(camera="c\n"),
        changed(rule=None),
        changed(phase="invented"),
        changed(severity="invented"),
        changed(score=1.1),
        changed(score="high"),
        changed(box=[0, 0, 1]),
        changed(count=-1),
        changed(track=2**64),
        changed(event="a\x00b"),
        EVENT.replace(b'"t":1', b'"t":1,"duration_s":1e400'),
        EVENT.replace(b'"t":1', b'"t":1,"duration_s":NaN'),
        EVENT.replace(b'"event":"e"', b'"event":"\xff"'),
        b'{"kind":"gap","t":1,"ranges":[[0,1]],"cls":"event","reason":""}',
        b'{"kind":"gap","t":1,"ranges":[[1,2]],"cls":"invented","reason":""}',
        b'{"kind":"observation","t":1,"camera":"c","interval_s":60,"frames":-1}',
    ],
)
def test_a_record_that_cannot_be_read_is_malformed(payload: bytes) -> None:
    with pytest.raises(MessageRefusedError) as caught:
        decode_record(payload)
    assert caught.value.reason == "malformed"
    assert str(caught.value).startswith("record: ")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for read in (decode_record, decode_batch):
        with contextlib.suppress(MessageRefusedError):
            read(payload)


@given(st.lists(RECORDS, max_size=6), st.integers(1, 10**9))
def test_a_batch_carries_its_records_as_they_are(records: list[Record], first: int) -> None:
    raw = [(first + 2 * n, encode_record(record)) for n, record in enumerate(records)]
    read = decode_batch(batch(*raw))
    assert (read.v, read.spool, read.centre, read.site, read.node) == (1, SPOOL, "c", "s", "n")
    assert read.sent == 5
    assert list(zip(read.seqs, map(bytes, read.records), strict=True)) == raw
    assert [decode_record(record) for record in read.records] == records


def test_a_bad_record_spoils_no_other() -> None:
    read = decode_batch(batch((1, EVENT), (2, b'{"kind":"invented"}'), (3, b"7"), (5, EVENT)))
    verdicts = []
    for seq, raw in zip(read.seqs, read.records, strict=True):
        try:
            verdicts.append((seq, type(decode_record(raw)).__name__))
        except MessageRefusedError as error:
            verdicts.append((seq, error.reason))
    assert verdicts == [(1, "Event"), (2, "malformed"), (3, "malformed"), (5, "Event")]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b'{"v":1}', "malformed"),
        (b'{"v":"1"}', "malformed"),
        (b'{"v":2}', "version"),
        (b'{"v":0,"spool":7}', "version"),
        (batch((1, EVENT)).replace(b'"v":1', b'"v":99'), "version"),
        (batch((1, EVENT), spool="short"), "malformed"),
        (batch((1, EVENT), spool=SPOOL + "\n"), "malformed"),
        (batch((1, EVENT)).replace(b'"seqs":[1]', b'"seqs":[1,2]'), "malformed"),
        (batch((1, EVENT)).replace(b'"seqs":[1]', b'"seqs":[0]'), "malformed"),
        (batch((1, EVENT)).replace(b'"seqs":[1]', b'"seqs":[9223372036854775808]'), "malformed"),
        (batch((2, EVENT), (1, EVENT)), "malformed"),
        (batch((1, EVENT), (1, EVENT)), "malformed"),
        (batch((1, b" " * MESSAGE_BYTES_MAX)), "oversized"),
    ],
)
def test_an_envelope_that_cannot_be_read_says_why(payload: bytes, reason: str) -> None:
    assert said(payload) == reason


def test_an_envelope_may_say_more_than_is_known() -> None:
    payload = batch((1, EVENT)).replace(b'"v":1', b'"v":1,"invented":{"a":1}')
    assert decode_batch(payload).seqs == [1]


@given(st.lists(st.integers(1, 30_000), max_size=200))
def test_records_are_cut_into_batches_that_a_broker_takes(sizes: list[int]) -> None:
    records = [(seq, b"x" * size) for seq, size in enumerate(sizes, start=1)]
    batches = list(split_batches(records))
    assert [record for part in batches for record in part] == records
    for part in batches:
        assert 1 <= len(part) <= BATCH_RECORDS_MAX
        assert len(part) == 1 or sum(len(raw) for _, raw in part) <= BATCH_BYTES_MAX
    for one, after in pairwise(batches):
        full = sum(len(raw) for _, raw in one) + len(after[0][1]) > BATCH_BYTES_MAX
        assert full or len(one) == BATCH_RECORDS_MAX, "no batch is cut short without need"


def test_the_kinds_are_told_apart() -> None:
    kinds = {
        Observation: b'{"kind":"observation","t":1,"camera":"c","interval_s":60,"frames":0}',
        Gap: b'{"kind":"gap","t":1,"ranges":[[1,2]],"cls":"snapshot","reason":"quota"}',
        Event: EVENT,
    }
    assert [type(decode_record(raw)) for raw in kinds.values()] == list(kinds)
