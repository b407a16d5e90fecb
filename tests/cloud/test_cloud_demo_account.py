"""The demo's account: it finds what is lost and what is doubled, and assumes neither."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.wall import CENTRE, SECOND_NS, Coast, coast, event_of
from haidang_cloud.blobs import Blobs
from haidang_cloud.demo.account import Account, Bookkeeper, Kept, SpoolLook, Stored
from haidang_cloud.demo.store import StoreLook
from haidang_cloud.lake import Archive, Lake, Roller
from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.processes.config import CloudConfig, SqliteConfig
from haidang_cloud.state import State
from haidang_cloud.timeseries import SqliteSeries
from haidang_protocols.wire.records import RecordClass, encode_batch, encode_record
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.topics import NodeLeaf, node_topic

SPOOL = "0123456789abcdef"
NODE = "bs-1"
ZONE = "Asia/Ho_Chi_Minh"


def seqs(*numbers: int) -> SeqSet:
    return SeqSet((number, number) for number in numbers)


def look(highest: int, present: SeqSet, *fresh: Kept) -> SpoolLook:
    return SpoolLook(spool=SPOOL, highest=highest, present=present.ranges(), fresh=fresh)


def opened(*fresh: Kept) -> Bookkeeper:
    """A book that was opened before the first record."""
    book = Bookkeeper()
    book.spooled(look(0, SeqSet(), *fresh))
    return book


def twice(book: Bookkeeper, stored: Stored) -> Account:
    book.judge(stored)
    return book.judge(stored)


def test_what_is_stored_and_what_still_waits_is_not_lost() -> None:
    book = opened()
    book.spooled(look(5, seqs(4, 5)))
    account = twice(book, Stored(records=seqs(1, 2, 3), ledger=seqs(1, 2, 3)))
    assert (account.spooled, account.stored, account.waiting, account.lost) == (5, 3, 2, 0)


def test_what_is_on_neither_side_is_lost_though_the_ledger_says_stored() -> None:
    book = opened()
    book.spooled(look(5, seqs(5)))
    account = twice(book, Stored(records=seqs(1, 2, 3), ledger=seqs(1, 2, 3, 4)))
    assert (account.stored, account.waiting, account.lost) == (3, 1, 1)


def test_a_moments_difference_is_no_loss_but_is_not_stored_either() -> None:
    book = opened()
    book.spooled(look(2, seqs(2)))
    first = book.judge(Stored())
    assert (first.waiting, first.lost) == (2, 0)
    second = book.judge(Stored(records=seqs(1)))
    assert (second.stored, second.waiting, second.lost) == (1, 1, 0)


def test_what_a_gap_gives_up_is_lost_with_its_reason() -> None:
    book = opened()
    gap = Kept(seq=6, cls=RecordClass.GAP, lost=((2, 3),), reason="quota")
    book.spooled(look(6, seqs(6), gap))
    account = twice(book, Stored(records=seqs(1, 4, 5), gaps={"bad disk": seqs(4)}))
    assert account.lost == 2
    assert account.why == ("quota",), "4 is stored after all: its gap takes nothing away"


def test_a_picture_is_stored_when_its_record_has_one() -> None:
    book = opened()
    fresh = [Kept(seq=n, cls=RecordClass.SNAPSHOT, record=f"n:{SPOOL}:{n}") for n in (1, 2)]
    book.spooled(look(2, SeqSet(), *fresh))
    stored = Stored(ledger=seqs(1, 2), pictures=frozenset({f"n:{SPOOL}:1"}))
    account = twice(book, stored)
    assert (account.stored, account.lost) == (1, 1)


def test_a_picture_that_was_found_is_stored_though_it_is_not_looked_for_again() -> None:
    book = opened()
    kept = Kept(seq=1, cls=RecordClass.SNAPSHOT, record=f"n:{SPOOL}:1")
    book.spooled(look(1, SeqSet(), kept))
    book.judge(Stored(ledger=seqs(1), pictures=frozenset({kept.record})))
    account = twice(book, Stored(ledger=seqs(1)))
    assert (account.stored, account.lost) == (1, 0)


def test_a_dead_letter_counts_as_stored() -> None:
    book = opened()
    book.spooled(look(2, SeqSet()))
    account = twice(book, Stored(records=seqs(1), letters=seqs(2), ledger=seqs(1, 2)))
    assert (account.stored, account.lost) == (2, 0)


def test_what_went_before_the_book_was_opened_is_the_ledgers_word() -> None:
    book = Bookkeeper()
    book.spooled(look(9, seqs(8, 9)))
    account = twice(book, Stored(records=seqs(8, 9), ledger=SeqSet([(1, 9)])))
    assert (account.spooled, account.stored, account.lost) == (9, 9, 0)


def test_another_spool_is_another_account() -> None:
    book = opened()
    book.spooled(look(3, SeqSet()))
    assert twice(book, Stored()).lost == 3
    book.spooled(SpoolLook(spool="f" * 16, highest=0, present=(), fresh=()))
    assert twice(book, Stored()).lost == 0


numbers = st.sets(st.integers(1, 40))


@given(highest=st.integers(0, 40), here=numbers, lake=numbers, letters=numbers, ledger=numbers)
def test_every_sequence_is_counted_once(
    highest: int, here: set[int], lake: set[int], letters: set[int], ledger: set[int]
) -> None:
    book = opened()
    book.spooled(look(highest, seqs(*[n for n in here if n <= highest])))
    known = {n for n in lake | letters if n <= highest}
    account = twice(
        book,
        Stored(
            records=seqs(*[n for n in lake if n <= highest]),
            letters=seqs(*[n for n in letters if n <= highest]),
            ledger=seqs(*[n for n in ledger if n <= highest]),
        ),
    )
    assert account.spooled == highest
    assert account.stored == len(known)
    assert account.stored + account.waiting + account.lost == highest
    assert account.lost == highest - len(known | {n for n in here if n <= highest})


@pytest.fixture
def world(state: State, tmp_path: Path) -> Coast:
    series = SqliteSeries(tmp_path / "series.sqlite")
    return Coast(coast(), state, series, Blobs(tmp_path / "blobs", state, centre=CENTRE))


def test_the_stores_are_counted_as_they_are_and_what_stands_twice_is_found(
    world: Coast, state: State, tmp_path: Path
) -> None:
    config = CloudConfig(
        centre=CENTRE,
        state=str(state.engine.url),
        timeseries=SqliteConfig(path=str(tmp_path / "series.sqlite")),
        lake=str(tmp_path / "lake"),
        blobs=str(tmp_path / "blobs"),
    )
    stores = StoreLook(config, state, world.series, time_zone=ZONE)
    camera, now_ns = world.catalogue.cameras[0], time.time_ns()
    event = event_of(camera, "qua", now_ns, "e")
    lake = Lake(tmp_path / "lake", state, centre=CENTRE, time_zone=ZONE)
    archive = Archive(lake.archive_folder, worker="w1")

    def come(*numbers: int) -> None:
        """Records reach archive and time series, as ingest puts them there."""
        batch = encode_batch(
            spool=SPOOL,
            centre=CENTRE,
            site=camera.place,
            node=NODE,
            sent=1,
            records=[(number, encode_record(event)) for number in numbers],
        )
        topic = node_topic(CENTRE, camera.place, NODE, NodeLeaf.RECORDS)
        archive.append([frame(Header(topic, now_ns, 1, ()), batch)])
        for number in numbers:
            at = event_of(camera, "qua", now_ns + number, f"e{number}")
            world.write(at, record=f"{NODE}.{SPOOL}.{number}")

    come(1, 2)
    Roller(lake, holder="a").roll()
    come(3)
    found = stores.look(SPOOL)
    assert (found.records, found.doubled) == (SeqSet([(1, 3)]), 0)
    Roller(lake, holder="a").roll()

    with state.write() as connection:
        first = lake.write(lake.day_of(now_ns), [next(lake.rows())])
        lake.add(connection, [first], now_ns)
    moved = event_of(camera, "qua", now_ns + 2 + SECOND_NS, "e2")
    world.write(moved, record=f"{NODE}.{SPOOL}.2")
    for _ in range(2):
        found = stores.look(SPOOL)
        assert (found.records, found.doubled) == (SeqSet([(1, 3)]), 2)
    archive.close()
