"""One class's chain of segments: the newest is written to, older ones wait to be stored."""

from __future__ import annotations  # array is generic from Python 3.12 on

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haidang_edge.spool import segment
from haidang_edge.spool.files import Files
from haidang_edge.spool.segment import Frame
from haidang_protocols.wire.records import RecordClass
from haidang_protocols.wire.seqset import SeqSet


@dataclass(slots=True)
class Index:
    """Where the records of one segment stand: 28 bytes a record."""

    seqs: array[int] = field(default_factory=lambda: array("Q"))
    appended_ns: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("I"))

    def extend(
        self,
        seqs: Iterable[int],
        appended_ns: Iterable[int],
        offsets: Iterable[int],
        sizes: Iterable[int],
    ) -> None:
        """Note more records, column by column, of higher sequences than all before."""
        self.seqs.extend(seqs)
        self.appended_ns.extend(appended_ns)
        self.offsets.extend(offsets)
        self.sizes.extend(sizes)


@dataclass(slots=True)
class Segment:
    """A segment file; its index is loaded when it is read from, and may be dropped."""

    path: Path
    cls: RecordClass
    base_seq: int
    size: int
    fd: int
    end: int
    count: int = 0
    first_seq: int = 0
    last_seq: int = 0
    oldest_ns: int = 0
    index: Index | None = None

    def note(
        self,
        seqs: Sequence[int],
        appended_ns: Sequence[int],
        offsets: Sequence[int],
        sizes: Sequence[int],
    ) -> None:
        """Records, at least one, were made durable at the end."""
        if self.index is None:
            raise ValueError(f"{self.path.name} has no index to note {seqs[0]} in")
        self.index.extend(seqs, appended_ns, offsets, sizes)
        if not self.count:
            self.first_seq, self.oldest_ns = seqs[0], appended_ns[0]
        self.count += len(seqs)
        self.last_seq = seqs[-1]
        self.end = offsets[-1] + sizes[-1]

    def free(self) -> int:
        """Bytes that are left for frames."""
        return self.size - self.end


def load(files: Files, path: Path, fd: int, size: int) -> tuple[Segment, list[Frame], bytes] | None:
    """A segment from its file: what is whole in it; None when its header is not."""
    data = files.read(fd, 0, size)
    head = segment.read_header(data)
    if head is None:
        return None
    cls, base_seq = head
    read = list(segment.frames(data))
    loaded = Segment(path, cls, base_seq, size, fd, segment.HEADER.size, index=Index())
    if read:
        loaded.note(*zip(*read, strict=True))
    return loaded, read, data


def index_of(files: Files, seg: Segment) -> Index:
    """The index of a segment, read from its file where it was dropped."""
    if seg.index is None:
        seg.index = Index()
        read = list(segment.frames(files.read(seg.fd, 0, seg.end)))
        if read:
            seg.index.extend(*zip(*read, strict=True))
    return seg.index


def pending(
    files: Files, seg: Segment, *, after: int, done: SeqSet, limit: int
) -> list[tuple[int, int, int, int]]:
    """At most `limit` of (seq, appended ns, offset, size) above `after` that are not done."""
    index = index_of(files, seg)
    found: list[tuple[int, int, int, int]] = []
    for at in range(bisect_right(index.seqs, after), len(index.seqs)):
        seq = index.seqs[at]
        if seq not in done:
            found.append((seq, index.appended_ns[at], index.offsets[at], index.sizes[at]))
            if len(found) == limit:
                break
    return found


def all_done(seg: Segment, done: SeqSet) -> bool:
    """Whether nothing in the segment is waited for any more."""
    if not seg.count or done.covers(seg.first_seq, seg.last_seq):
        return True
    if seg.last_seq > done.highest() or seg.index is None:
        return False
    return all(seq in done for seq in seg.index.seqs)


def oldest_ns(seg: Segment, done: SeqSet) -> int | None:
    """When the oldest record that is still waited for was appended, None when none is.

    A segment whose index was dropped is not read for that: its first record stands for it, which is
    early rather than late.
    """
    if all_done(seg, done):
        return None
    if seg.index is None:
        return seg.oldest_ns
    first = next(done.missing(seg.first_seq, seg.last_seq))[0]
    seqs = seg.index.seqs
    waiting = (at for at in range(bisect_left(seqs, first), len(seqs)) if seqs[at] not in done)
    return next((seg.index.appended_ns[at] for at in waiting), None)
