"""A set of sequence numbers kept as ranges: what a spool has stored, in a few bytes.

Used on both sides of the watermark: the node's spool and the centre's ledger.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class SeqSet:
    """Sequence numbers >= 1 as sorted, disjoint, non-adjacent inclusive ranges."""

    __slots__ = ("_first", "_last")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Start from `ranges`, in any order, overlapping or not."""
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Add one number, or all of `first`..`last`; raises ValueError for an empty range."""
        end = first if last is None else last
        if first < 1 or end < first:
            raise ValueError(f"range {first}..{end} is empty or below 1")
        # the ranges that touch first-1..end+1 are swallowed into one
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, end + 1)
        if low < high:
            first = min(first, self._first[low])
            end = max(end, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [end]

    def update(self, other: "SeqSet | Iterable[Range]") -> None:
        """Add every range of `other`."""
        for first, last in other.ranges() if isinstance(other, SeqSet) else other:
            self.add(first, last)

    def ranges(self) -> tuple[Range, ...]:
        """The ranges, ascending."""
        return tuple(zip(self._first, self._last, strict=True))

    def missing(self, first: int, last: int) -> Iterator[Range]:
        """The ranges of `first`..`last` that are not in the set, ascending."""
        at = first
        index = bisect_left(self._last, first)
        while at <= last:
            if index >= len(self._first) or self._first[index] > last:
                yield at, last
                return
            if self._first[index] > at:
                yield at, self._first[index] - 1
            at = self._last[index] + 1
            index += 1

    def covers(self, first: int, last: int) -> bool:
        """Whether all of `first`..`last` is in the set."""
        index = bisect_left(self._last, first)
        return (
            index < len(self._first) and self._first[index] <= first and last <= self._last[index]
        )

    def disjoint(self, first: int, last: int) -> bool:
        """Whether nothing of `first`..`last` is in the set."""
        index = bisect_left(self._last, first)
        return index == len(self._first) or self._first[index] > last

    def highest(self) -> int:
        """The highest number, 0 when empty."""
        return self._last[-1] if self._last else 0

    def copy(self) -> "SeqSet":
        """An independent copy."""
        twin = SeqSet()
        twin._first, twin._last = self._first.copy(), self._last.copy()
        return twin

    def __contains__(self, seq: int) -> bool:
        index = bisect_left(self._last, seq)
        return index < len(self._first) and self._first[index] <= seq

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SeqSet) and self.ranges() == other.ranges()

    __hash__ = None  # type: ignore[assignment]  # a set that changes has no hash

    def __repr__(self) -> str:
        return f"SeqSet({list(self.ranges())})"
