"""Looks at a spool from outside, while its node is at work: reads, never writes, locks nothing.

A frame that is being written is not whole yet; the next look finds it. What the centre has stored
is known as far as the node has noted it, which it does once a minute while it is at work.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from haidang_edge.errors import SpoolError
from haidang_edge.spool import segment
from haidang_edge.spool.notes import IDENTITY, STORED, Identity, Stored
from haidang_protocols.wire.errors import UNREADABLE, MessageRefusedError
from haidang_protocols.wire.names import is_spool_id
from haidang_protocols.wire.records import Gap, RecordClass, decode_record
from haidang_protocols.wire.seqset import Range, SeqSet
from haidang_protocols.wire.snapshot import decode_snapshot


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that a look found for the first time.

    Attributes:
        record: of a picture, the id of the record that it belongs to.
        lost: of a gap, the sequences that it accounts for; `reason` says why.
    """

    seq: int
    cls: RecordClass
    record: str = ""
    lost: tuple[Range, ...] = ()
    reason: str = ""


class SpoolLook(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the disk.

    Attributes:
        spool: its id, empty while there is no spool.
        highest: the highest sequence that was ever seen.
        present: the sequences that stand in segment files now.
        fresh: what was not there at the look before.
        waiting: how many of those present are not known to be stored: rather too many.
    """

    spool: str
    highest: int
    present: tuple[Range, ...]
    fresh: tuple[Kept, ...]
    waiting: int = 0


@dataclass(slots=True)
class _Read:
    """How far a segment file was read, and what is in it."""

    inode: int
    cls: RecordClass
    end: int = segment.HEADER.size
    seqs: SeqSet = field(default_factory=SeqSet)


class SpoolReader:
    """Looks again and again; each look reads only what was added since."""

    def __init__(self, folder: Path) -> None:
        """The folder need not be there yet."""
        self._folder = folder
        self._spool = ""
        self._read: dict[str, _Read] = {}
        self._highest = 0

    def look(self) -> SpoolLook:
        """See `SpoolLook`; raises `SpoolError` when the folder cannot be read."""
        spool = self._identity()
        if spool != self._spool:
            self._spool, self._read, self._highest = spool, {}, 0
        fresh: list[Kept] = []
        try:
            paths = {path.name: path for path in sorted(self._folder.glob("*.seg"))}
            for gone in self._read.keys() - paths.keys():
                del self._read[gone]
            for path in paths.values():
                fresh += self._look_at(path)
        except OSError as error:
            raise SpoolError(f"spool {self._folder}: {error.strerror or error}") from error
        present = SeqSet()
        for read in self._read.values():
            present.update(read.seqs)
        self._highest = max(self._highest, present.highest())
        stored = self._stored()
        return SpoolLook(
            spool=spool,
            highest=self._highest,
            present=present.ranges(),
            fresh=tuple(fresh),
            waiting=sum(
                end - start + 1
                for first, last in present.ranges()
                for start, end in stored.missing(first, last)
            ),
        )

    def _stored(self) -> SeqSet:
        """What the node has noted of what is stored; nothing where that cannot be read."""
        try:
            known = msgspec.json.decode((self._folder / STORED).read_bytes(), type=Stored)
            return SeqSet(known.ranges if known.spool == self._spool else ())
        except (OSError, ValueError, *UNREADABLE):
            return SeqSet()

    def _identity(self) -> str:
        try:
            found = msgspec.json.decode((self._folder / IDENTITY).read_bytes(), type=Identity)
        except FileNotFoundError:
            return ""
        except (OSError, *UNREADABLE) as error:
            raise SpoolError(f"spool {self._folder}: its name cannot be read: {error}") from error
        if not is_spool_id(found.spool):
            raise SpoolError(f"spool {self._folder}: {found.spool!r} is not 16 hexadecimal digits")
        return found.spool

    def _look_at(self, path: Path) -> list[Kept]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # trimmed a moment ago
            return []
        try:
            read = self._known(path.name, fd)
            return [] if read is None else self._new_frames(read, fd)
        finally:
            os.close(fd)

    def _known(self, name: str, fd: int) -> _Read | None:
        inode = os.fstat(fd).st_ino
        read = self._read.get(name)
        if read is None or read.inode != inode:
            head = segment.read_header(os.pread(fd, segment.HEADER.size, 0))
            if head is None:
                return None
            read = self._read[name] = _Read(inode, head[0])
        return read

    def _new_frames(self, read: _Read, fd: int) -> list[Kept]:
        found: list[Kept] = []
        while True:
            data = os.pread(fd, segment.FRAME.size + segment.PAYLOAD_BYTES_MAX, read.end)
            frames = list(segment.frames(data, at=0))
            if not frames:
                return found
            for frame in frames:
                read.seqs.add(frame.seq)
                payload = data[frame.offset : frame.offset + frame.size]
                found.append(_kept(frame.seq, read.cls, payload))
            read.end += segment.end_of(frames)


def _kept(seq: int, cls: RecordClass, payload: bytes) -> Kept:
    try:
        if cls is RecordClass.SNAPSHOT:
            return Kept(seq=seq, cls=cls, record=decode_snapshot(payload)[0].record)
        if cls is RecordClass.GAP:
            gap = decode_record(payload)
            if isinstance(gap, Gap):
                return Kept(seq=seq, cls=cls, lost=gap.ranges, reason=gap.reason)
    except MessageRefusedError:
        pass  # it is on the disk all the same; whether it can be read is the centre's to judge
    return Kept(seq=seq, cls=cls)
