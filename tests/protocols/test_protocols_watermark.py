"""The watermark's arithmetic, checked against plain sets of numbers."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.seqset import Range, SeqSet
from haidang_protocols.wire.watermark import (
    MISSING_MAX,
    Watermark,
    decode_watermark,
    encode_watermark,
    watermark_of,
)

SPOOL = "00112233aabbccdd"
RANGES = st.tuples(st.integers(1, 300), st.integers(0, 12)).map(lambda r: (r[0], r[0] + r[1]))
NUMBERS = st.sets(st.integers(1, 400), max_size=300)


def plain(ranges: list[Range]) -> set[int]:
    return {n for first, last in ranges for n in range(first, last + 1)}


def of(numbers: set[int]) -> SeqSet:
    return SeqSet((n, n) for n in numbers)


@given(st.lists(RANGES, max_size=40))
def test_a_set_of_ranges_is_a_set_of_numbers(ranges: list[Range]) -> None:
    known, numbers = SeqSet(ranges), plain(ranges)
    assert plain(list(known.ranges())) == numbers
    assert len(known) == len(numbers)
    assert known.highest() == max(numbers, default=0)
    assert known == of(numbers)
    assert [n in known for n in range(1, 320)] == [n in numbers for n in range(1, 320)]


@given(st.lists(RANGES, max_size=40))
def test_ranges_are_ascending_and_never_touch(ranges: list[Range]) -> None:
    found = SeqSet(ranges).ranges()
    assert all(first <= last for first, last in found)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


@given(NUMBERS, RANGES)
def test_what_is_missing_from_a_range(numbers: set[int], asked: Range) -> None:
    first, last = asked
    wanted = set(range(first, last + 1))
    known = of(numbers)
    holes = list(known.missing(first, last))
    assert plain(holes) == wanted - numbers
    assert SeqSet(holes).ranges() == tuple(holes)
    assert known.covers(first, last) == (wanted <= numbers)
    assert known.disjoint(first, last) == wanted.isdisjoint(numbers)


@given(NUMBERS, NUMBERS)
def test_sets_join_and_copies_are_independent(one: set[int], two: set[int]) -> None:
    joined = of(one)
    twin = joined.copy()
    joined.update(of(two))
    assert joined == of(one | two)
    assert twin == of(one)
    twin.update([(500, 501)])
    assert 500 not in joined


@pytest.mark.parametrize("wrong", [(0, 1), (-1, 4), (3, 2)])
def test_a_range_that_is_none_is_refused(wrong: Range) -> None:
    with pytest.raises(ValueError, match=f"{wrong[0]}\\.\\.{wrong[1]}"):
        SeqSet().add(*wrong)


@given(NUMBERS)
def test_a_watermark_says_what_is_stored_and_no_more(numbers: set[int]) -> None:
    said = watermark_of(SPOOL, of(numbers))
    assert len(said.missing) <= MISSING_MAX
    assert said.stored() == of({n for n in numbers if n <= said.upto})
    assert decode_watermark(encode_watermark(said)) == said


@given(NUMBERS)
def test_a_watermark_reaches_as_far_as_its_holes_allow(numbers: set[int]) -> None:
    said = watermark_of(SPOOL, of(numbers))
    holes = list(of(numbers).missing(1, max(numbers, default=0)))
    if len(holes) <= MISSING_MAX:
        assert said.upto == max(numbers, default=0)
        assert list(said.missing) == holes
    else:
        assert len(said.missing) == MISSING_MAX
        assert said.upto + 1 == holes[MISSING_MAX][0]


@given(st.lists(NUMBERS, max_size=5))
def test_a_node_that_adds_each_word_ends_with_all_of_them(told: list[set[int]]) -> None:
    """Watermarks may come late or out of order: to add them forgets nothing."""
    stored: set[int] = set()
    node = SeqSet()
    for more in told:
        stored |= more
        node.update(watermark_of(SPOOL, of(stored)).stored())
    last = watermark_of(SPOOL, of(stored))
    assert {n for n in stored if n <= last.upto} <= plain(list(node.ranges())) <= stored


def test_nothing_stored_is_a_watermark_too() -> None:
    said = watermark_of(SPOOL, SeqSet())
    assert (said.upto, said.missing, said.stored()) == (0, (), SeqSet())


def test_unknown_fields_are_ignored() -> None:
    payload = b'{"v":1,"spool":"00112233aabbccdd","upto":7,"invented":[1]}'
    assert decode_watermark(payload) == Watermark(spool=SPOOL, upto=7)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"v": 2}, "version"),
        ({"upto": -1}, "malformed"),
        ({"upto": "7"}, "malformed"),
        ({"spool": "other"}, "malformed"),
        ({"missing": [[0, 1]]}, "malformed"),
        ({"missing": [[3, 2]]}, "malformed"),
        ({"missing": [[6, 8]]}, "malformed"),
        ({"missing": [[1]]}, "malformed"),
    ],
)
def test_a_watermark_that_makes_no_sense_trims_nothing(
    fields: dict[str, object], reason: str
) -> None:
    payload = msgspec.json.encode({"v": 1, "spool": SPOOL, "upto": 7, **fields})
    with pytest.raises(MessageRefusedError) as caught:
        decode_watermark(payload)
    assert caught.value.reason == reason
