"""The demo's account: it finds what is lost and what is doubled, and assumes neither."""

from hypothesis import given
from hypothesis import strategies as st

from haidang_cloud.demo.account import Account, Bookkeeper, Kept, SpoolLook, Stored
from haidang_protocols.wire.records import RecordClass
from haidang_protocols.wire.seqset import SeqSet

SPOOL = "0123456789abcdef"


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
