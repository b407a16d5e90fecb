"""The account: what the node's spool took, held against what the centre's stores hold.

Nothing is assumed. What is on neither side is lost, and so is what a gap record gives up; what
stands twice is doubled. A moment's difference between two looks is no loss: something must be
missing at two looks in a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from haidang_protocols.wire.records import RecordClass
from haidang_protocols.wire.seqset import Range, SeqSet


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of one reason; `example` is the newest one's own words."""

    reason: str
    count: int
    example: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every record.

    Attributes:
        spooled: sequences that the node has given out.
        stored: those that the centre's stores hold, refused ones too.
        waiting: those that the node still keeps, or is just writing, and nobody has stored.
        lost: those that are nowhere; `why` gives the reasons of gap records.
        doubled: rows in the lake and events in the time series that stand there once too often.
        refused: what was stored as a dead letter, by reason.
        trouble: what cannot be read, so that the account is not up to date: `database`, `series`,
            `lake` or `disk`; empty when it is.
    """

    spooled: int = 0
    stored: int = 0
    waiting: int = 0
    lost: int = 0
    doubled: int = 0
    refused: tuple[Refused, ...] = ()
    why: tuple[str, ...] = ()
    trouble: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a look at the spool found for the first time; see `haidang node spool`."""

    seq: int
    cls: RecordClass
    record: str = ""
    lost: tuple[Range, ...] = ()
    reason: str = ""


class SpoolLook(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `haidang node spool --json`."""

    spool: str
    highest: Annotated[int, Meta(ge=0)]
    present: tuple[Range, ...]
    fresh: tuple[Kept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the centre's stores hold of one spool.

    Attributes:
        ledger: what the watermark promises.
        records: sequences in the lake or its archive.
        letters: sequences in the dead letters.
        gaps: what gap records in the lake account for, by reason.
        pictures: ids of records that got a picture since the look before, or a little earlier.
        doubled: see `Account`.
        refused: see `Account`; of all spools.
    """

    ledger: SeqSet = field(default_factory=SeqSet)
    records: SeqSet = field(default_factory=SeqSet)
    letters: SeqSet = field(default_factory=SeqSet)
    gaps: Mapping[str, SeqSet] = field(default_factory=dict)
    pictures: frozenset[str] = frozenset()
    doubled: int = 0
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Book:
    """What is known of one spool.

    Attributes:
        before_us: what went before we looked; the ledger must be believed there.
        pictures: sequence of a picture that was not found yet → id of the record it belongs to.
        pictured: sequences of pictures that were found; they may expire since.
        missing: what was nowhere at the look before.
    """

    spool: str = ""
    highest: int = 0
    present: SeqSet = field(default_factory=SeqSet)
    before_us: SeqSet = field(default_factory=SeqSet)
    pictures: dict[int, str] = field(default_factory=dict)
    pictured: SeqSet = field(default_factory=SeqSet)
    gaps: dict[str, SeqSet] = field(default_factory=dict)
    missing: SeqSet = field(default_factory=SeqSet)


class Bookkeeper:
    """Takes looks at the spool and at the stores, in that order, and judges them together."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._book = _Book()

    @property
    def spool(self) -> str:
        """The spool that the account is of, empty while there is none."""
        return self._book.spool

    def spooled(self, look: SpoolLook) -> None:
        """A look at the spool; another spool is another account."""
        present = SeqSet(look.present)
        if look.spool != self._book.spool:
            before_us = _less(_upto(look.highest), present)
            self._book = _Book(spool=look.spool, before_us=before_us)
        book = self._book
        book.highest, book.present = look.highest, present
        for kept in look.fresh:
            if kept.cls is RecordClass.SNAPSHOT:
                book.pictures[kept.seq] = kept.record
            if kept.lost:
                book.gaps.setdefault(kept.reason, SeqSet()).update(kept.lost)

    def judge(self, stored: Stored) -> Account:
        """The account, after a look at the stores that came after the spool's."""
        book = self._book
        for reason, seqs in stored.gaps.items():
            book.gaps.setdefault(reason, SeqSet()).update(seqs)
        known = _proven(book, stored)
        given_up = SeqSet()
        for seqs in book.gaps.values():
            given_up.update(_less(seqs, known))
        waiting = _less(_less(book.present, known), given_up)
        everything = _upto(max(book.highest, stored.ledger.highest()))
        missing = _less(_less(_less(everything, known), waiting), given_up)
        gone, book.missing = _both(missing, book.missing), missing
        return Account(
            spooled=len(everything),
            stored=len(_both(known, everything)),
            waiting=len(waiting) + len(missing) - len(gone),
            lost=len(gone) + len(given_up),
            doubled=stored.doubled,
            refused=stored.refused,
            why=tuple(sorted(r for r, seqs in book.gaps.items() if len(_both(seqs, given_up)))),
        )


def _proven(book: _Book, stored: Stored) -> SeqSet:
    """What stands in a store, not merely in the ledger."""
    known = stored.records.copy()
    known.update(stored.letters)
    known.update(_both(book.before_us, stored.ledger))
    for seq in [n for n, record in book.pictures.items() if record in stored.pictures]:
        if seq in stored.ledger:
            del book.pictures[seq]
            book.pictured.add(seq)
    known.update(book.pictured)
    return known


def _upto(highest: int) -> SeqSet:
    """All sequences up to `highest`."""
    return SeqSet([(1, highest)] if highest else [])


def _less(these: SeqSet, those: SeqSet) -> SeqSet:
    """What is in `these` and not in `those`."""
    return SeqSet(piece for first, last in these.ranges() for piece in those.missing(first, last))


def _both(these: SeqSet, those: SeqSet) -> SeqSet:
    """What is in both."""
    return _less(these, _less(these, those))
