"""The spool: one dense sequence over four chains of segment files, committed in groups.

A record is announced (to waiters, to the publisher) only after the fdatasync of its file returned.
`done` is what the centre has stored, plus what a gap record accounts for; nothing else is trimmed.
"""

import errno
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haidang_edge.errors import SpoolError
from haidang_edge.spool import chain, segment
from haidang_edge.spool.chain import Segment
from haidang_edge.spool.files import Files, SystemFiles
from haidang_edge.spool.notes import IDENTITY, STORED, Identity, Stored
from haidang_protocols.wire.errors import UNREADABLE
from haidang_protocols.wire.names import is_spool_id
from haidang_protocols.wire.records import Gap, GapReason, RecordClass, decode_record, encode_record
from haidang_protocols.wire.seqset import SeqSet

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 << 20
SEGMENT_BYTES_MIN = 64 << 10
GAP_SEGMENT_BYTES = 256 << 10
RETRY_S = 1.0
INDEXES_KEPT = 4
SAVE_STORED_EVERY = 20_000
LOWEST_FIRST = (
    RecordClass.SNAPSHOT,
    RecordClass.OBSERVATION,
    RecordClass.EVENT,
    RecordClass.ALARM,
)
"""Gaps stand beside these: their own chain is made ahead, so that a full disk still takes them."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """Where the spool is and how much it may take.

    Attributes:
        note_stored_s: how often what is stored is noted, for who looks from outside.
    """

    folder: Path
    quota_bytes: int = 1 << 30
    segment_bytes: int = SEGMENT_BYTES
    note_stored_s: float = 60.0

    def __post_init__(self) -> None:
        """A quota must hold a segment of every class, and one more to turn over."""
        least = GAP_SEGMENT_BYTES * 2 + SEGMENT_BYTES_MIN * 2 * len(LOWEST_FIRST)
        if self.quota_bytes < least:
            raise SpoolError(f"spool quota is {self.quota_bytes} bytes; at least {least} is needed")

    def segment_size(self) -> int:
        """A segment's size: small enough that dropping one is a small loss."""
        share = self.quota_bytes // 16
        return max(SEGMENT_BYTES_MIN, min(self.segment_bytes, share))

    def payload_max(self) -> int:
        """The largest record that a segment takes."""
        room = self.segment_size() - segment.HEADER.size - segment.FRAME.size
        return min(room, segment.PAYLOAD_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Entry:
    """A durable record that waits to be stored."""

    seq: int
    cls: RecordClass
    appended_ns: int
    payload: bytes


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    """A record that was taken and is not written yet."""

    seq: int
    cls: RecordClass
    appended_ns: int
    payload: bytes


Listener = Callable[[], None]


class Spool:
    """See the module. Thread-safe; one committer thread writes."""

    def __init__(
        self,
        settings: SpoolSettings,
        *,
        files: Files | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open or make the spool in its folder; raises `SpoolError` when that cannot be."""
        self._settings = settings
        self._payload_max = settings.payload_max()
        self._folder = settings.folder
        self._files: Files = files or SystemFiles()
        self._wall_ns = wall_ns
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._chains: dict[RecordClass, list[Segment]] = {cls: [] for cls in RecordClass}
        self._waiting: list[_Waiting] = []
        self._done = SeqSet()
        self._saved_len = 0
        self._saved_s = time.monotonic()
        self._next = 1
        self._written = 0
        self._settled_upto = 0
        self._dropped = 0
        self._pending_gaps: list[Gap] = []
        self._owed: list[_Waiting] = []
        self._listeners: list[Listener] = []
        self._full_since_ns: int | None = None
        self._closing = False
        self._failure = ""
        try:
            self._open()
        except OSError as error:
            raise SpoolError(f"spool {self._folder}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    # --- face -------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """16 hexadecimal digits, new whenever a spool is made anew."""
        return self._id

    @property
    def next_seq(self) -> int:
        """The sequence number that the next record gets."""
        with self._lock:
            return self._next

    def listen(self, listener: Listener) -> None:
        """Call `listener` (quick, from the spool's thread) whenever records became durable."""
        self._listeners.append(listener)

    def append(self, cls: RecordClass, payload: bytes) -> int:
        """Take a record; returns its sequence at once, `wait` tells when it is durable."""
        with self._lock:
            return self._take(cls, payload)

    def append_built(self, cls: RecordClass, build: Callable[[int], bytes]) -> int:
        """Take a record whose payload names its own sequence."""
        with self._lock:
            return self._take(cls, build(self._next))

    def _take(self, cls: RecordClass, payload: bytes) -> int:
        """Give a record the next sequence and wake the committer; the lock is held."""
        if self._closing or self._failure:
            raise SpoolError(self._failure or f"spool {self._folder} is closed")
        if not 0 < len(payload) <= self._payload_max:
            raise SpoolError(f"record of {len(payload)} bytes; at most {self._payload_max}")
        seq = self._next
        self._next += 1
        self._waiting.append(_Waiting(seq, cls, self._wall_ns(), payload))
        if len(self._waiting) == 1:  # else it was told, and has not come yet
            self._work.notify()
        return seq

    def wait(self, seq: int, timeout_s: float = 10.0) -> bool:
        """Whether `seq` was settled (durable, or accounted for as lost) within the time."""
        with self._lock:
            self._settled.wait_for(lambda: self._settled_upto >= seq or self._failure, timeout_s)
            return self._settled_upto >= seq

    def read(
        self, cls: RecordClass, *, after: int = 0, limit: int = 50, max_bytes: int = 1 << 16
    ) -> list[Entry]:
        """Durable records of a class above `after` that are not stored, in sequence."""
        found: list[Entry] = []
        taken = 0
        with self._lock:
            for seg in self._chains[cls]:
                if len(found) >= limit or taken >= max_bytes:
                    break
                if not seg.count or seg.last_seq <= after:
                    continue
                rows = chain.pending(
                    self._files, seg, after=after, done=self._done, limit=limit - len(found)
                )
                for seq, appended_ns, offset, size in rows:
                    if found and taken + size > max_bytes:
                        return found
                    payload = self._files.read(seg.fd, offset, size)
                    found.append(Entry(seq, cls, appended_ns, payload))
                    taken += size
            self._forget_indexes(cls)
        return found

    def stored(self, seqs: SeqSet) -> int:
        """The centre's word: add what it has stored, remove what nobody waits for; returns news."""
        with self._lock:
            before = len(self._done)
            known = self._written
            # a watermark that is ahead of this spool speaks of another life of it: keep to our own
            self._done.update((a, min(b, known)) for a, b in seqs.ranges() if a <= known)
            news = len(self._done) - before
            if news:
                self._trim()
                if time.monotonic() - self._saved_s >= self._settings.note_stored_s:
                    self._save_stored()
            return news

    def is_done(self, seq: int) -> bool:
        """Whether nobody waits for `seq` any more."""
        with self._lock:
            return seq in self._done

    def give_up(self, seqs: SeqSet, cls: RecordClass, *, reason: str) -> None:
        """Replace records that the centre cannot read by a gap record, which says so."""
        with self._lock:
            self._account(seqs, cls, reason)
            self._work.notify()

    def depth(self) -> int:
        """Records that wait to be stored."""
        with self._lock:
            return max(0, self._settled_upto - len(self._done))

    def bytes_used(self) -> int:
        """Bytes on the disk."""
        with self._lock:
            return self._used()

    def dropped(self) -> int:
        """Records lost since the start, all accounted for by gap records."""
        with self._lock:
            return self._dropped

    def oldest_ns(self) -> int | None:
        """When the oldest waiting record was appended; rather too early while much waits."""
        with self._lock:
            ages = (
                chain.oldest_ns(seg, self._done) for segs in self._chains.values() for seg in segs
            )
            return min((age for age in ages if age is not None), default=None)

    @property
    def alive(self) -> bool:
        """Whether records still become durable: a disk that fails ends it, a full one does not."""
        return not self._failure

    def full_since_ns(self) -> int | None:
        """Since when nothing could be written, None while all is well."""
        return self._full_since_ns

    def close(self) -> None:
        """Write what was taken, save what is stored, end the thread."""
        with self._lock:
            self._closing = True
            self._work.notify()
        self._thread.join()
        with self._lock:
            if self._full_since_ns is None and not self._failure:
                self._save_stored()
            for segs in self._chains.values():
                for seg in segs:
                    self._files.close(seg.fd)
                segs.clear()

    # --- opening ----------------------------------------------------------------------------

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._id = self._identity()
        present = SeqSet()
        highest = 0
        for path in sorted(self._folder.glob("*.seg")):
            opened = self._open_segment(path)
            if opened is None:
                continue
            seg, seqs = opened
            self._chains[seg.cls].append(seg)
            highest = max(highest, seg.base_seq - 1, seg.last_seq)
            for seq in seqs:
                present.add(seq)
        for segs in self._chains.values():
            segs.sort(key=lambda seg: seg.base_seq)
            for seg in segs[:-1]:
                seg.index = None
        self._next = highest + 1
        self._written = self._settled_upto = highest
        self._read_stored(highest)
        self._read_gaps()
        lost = SeqSet()
        for first, last in present.missing(1, highest) if highest else ():
            for start, end in self._done.missing(first, last):
                lost.add(start, end)
        if lost.ranges():
            self._account(lost, RecordClass.EVENT, GapReason.DAMAGED)
        if not self._chains[RecordClass.GAP]:
            self._new_segment(RecordClass.GAP, self._next)
        self._trim()

    def _identity(self) -> str:
        path = self._folder / IDENTITY
        if path.is_file():
            try:
                known = msgspec.json.decode(path.read_bytes(), type=Identity)
            except UNREADABLE as error:
                raise SpoolError(f"{path}: cannot be read: {error}") from error
            if not is_spool_id(known.spool):
                raise SpoolError(f"{path}: spool id {known.spool!r} is not 16 hexadecimal digits")
            return known.spool
        fresh = Identity(secrets.token_hex(8), self._wall_ns())
        self._files.replace(path, msgspec.json.encode(fresh))
        return fresh.spool

    def _open_segment(self, path: Path) -> tuple[Segment, list[int]] | None:
        size = path.stat().st_size
        fd = self._files.open(path)
        loaded = chain.load(self._files, path, fd, size)
        if loaded is None:
            # a crash while the segment was made: nothing in it was ever announced
            log.warning("%s has no whole header; it is removed", path.name)
            self._files.close(fd)
            self._files.remove(path)
            return None
        seg, read, data = loaded
        tail = data[seg.end :]
        garbage = len(tail.rstrip(b"\0"))
        if garbage:
            # a torn frame must not be taken for a whole one after the next frames overwrite it
            self._files.write(fd, seg.end, bytes(garbage))
            self._files.sync(fd)
        return seg, [frame.seq for frame in read]

    def _read_stored(self, highest: int) -> None:
        path = self._folder / STORED
        if not path.is_file():
            return
        try:
            known = msgspec.json.decode(path.read_bytes(), type=Stored)
        except UNREADABLE as error:
            # the retained watermark tells it again
            log.warning("%s cannot be read and is left out: %s", path.name, error)
            return
        if known.spool == self._id:
            self._done.update((a, min(b, highest)) for a, b in known.ranges if a <= highest)
            self._saved_len = len(self._done)

    def _read_gaps(self) -> None:
        """What a gap record names is told already: a kill must not tell it twice."""
        for seg in self._chains[RecordClass.GAP]:
            for _, _, offset, size in chain.pending(
                self._files, seg, after=0, done=SeqSet(), limit=seg.count
            ):
                gap = decode_record(self._files.read(seg.fd, offset, size))
                if isinstance(gap, Gap):
                    self._done.update(gap.ranges)

    def _save_stored(self) -> bool:
        """Remember what is done; False on a full disk, where it is tried again later."""
        self._saved_s = time.monotonic()
        known = Stored(self._id, self._done.ranges())
        try:
            self._files.replace(self._folder / STORED, msgspec.json.encode(known))
        except OSError as error:
            if error.errno not in _FULL:
                raise SpoolError(f"spool {self._folder}: {error.strerror}") from error
            return False
        self._saved_len = len(self._done)
        return True

    # --- committing -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._serve()
        except SpoolError as error:
            # whoever holds the spool sees `alive` and ends: a new start may find a better disk
            log.critical("%s", error)
            with self._lock:
                self._failure = str(error)
                self._settled.notify_all()

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._work.wait_for(
                    lambda: bool(self._waiting or self._pending_gaps or self._closing),
                    RETRY_S if self._owed else None,
                )
                batch, self._waiting = self._waiting, []
                closing = self._closing and not batch
            if batch:
                self._commit(batch)
            self._write_gaps()
            self._settle()
            for listener in self._listeners:
                listener()
            if closing:
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        """Write and sync all of `batch`, highest class first; what cannot be is accounted for."""
        classes = {record.cls for record in batch}
        for cls in reversed(LOWEST_FIRST):
            if cls in classes:
                self._commit_class(cls, [record for record in batch if record.cls is cls])
        with self._lock:
            if len(self._done) - self._saved_len > SAVE_STORED_EVERY:
                self._save_stored()

    def _settle(self) -> None:
        """All that was taken so far and waits no more is durable, or a gap record tells of it."""
        with self._lock:
            # never by the sequence of a gap: records that were taken before it may still wait
            self._settled_upto = (self._waiting[0].seq if self._waiting else self._next) - 1
            self._settled.notify_all()

    def _commit_class(self, cls: RecordClass, records: list[_Waiting]) -> None:
        at = 0
        while at < len(records):
            try:
                at += self._write_some(cls, records[at:])
                self._full_since_ns = None
            except OSError as error:
                if error.errno not in _FULL:
                    raise SpoolError(f"spool {self._folder}: {error.strerror}") from error
                if not self._make_room(cls):
                    self._refuse(cls, records[at:])
                    return

    def _write_some(self, cls: RecordClass, records: list[_Waiting]) -> int:
        """Write as many as fit into one segment, sync, and index them; returns how many."""
        seg = self._active(cls, len(records[0].payload) + segment.FRAME.size, records[0].seq)
        data, offsets = segment.framed(records, at=seg.end, size=seg.size)
        self._files.write(seg.fd, seg.end, data)
        self._files.sync(seg.fd)
        written = records[: len(offsets)]
        with self._lock:
            seg.note(
                [record.seq for record in written],
                [record.appended_ns for record in written],
                offsets,
                [len(record.payload) for record in written],
            )
            self._written = max(self._written, seg.last_seq)
        return len(written)

    def _active(self, cls: RecordClass, need: int, seq: int) -> Segment:
        """The segment of a class that takes `need` bytes more, a new one where none does."""
        segs = self._chains[cls]
        if segs and segs[-1].free() >= need:
            return segs[-1]
        if cls is not RecordClass.GAP:
            with self._lock:
                over = self._used() + self._settings.segment_size() > self._settings.quota_bytes
            if over:
                raise OSError(errno.ENOSPC, "the spool's quota is used up")
        return self._new_segment(cls, seq)

    def _new_segment(self, cls: RecordClass, seq: int) -> Segment:
        size = GAP_SEGMENT_BYTES if cls is RecordClass.GAP else self._settings.segment_size()
        path = self._folder / f"{cls.value}-{seq:020d}.seg"
        self._files.remove(path)
        fd = self._files.create(path, size)
        try:
            self._files.write(fd, 0, segment.header(cls, seq))
            self._files.sync(fd)
            self._files.sync_folder(self._folder)
        except OSError:
            self._files.close(fd)
            self._files.remove(path)
            raise
        made = Segment(path, cls, seq, size, fd, segment.HEADER.size, index=chain.Index())
        self._chains[cls].append(made)
        return made

    # --- dropping ---------------------------------------------------------------------------

    def _make_room(self, cls: RecordClass) -> bool:
        """Drop the oldest segment of the lowest class up to `cls`; False when there is none."""
        for lower in LOWEST_FIRST[: LOWEST_FIRST.index(cls) + 1]:
            with self._lock:
                segs = self._chains[lower]
                old = segs[0] if segs else None
            if old is not None and (old.count or lower is not cls):
                self._drop(old)
                return True
        return False

    def _drop(self, seg: Segment) -> None:
        """Remove a segment whose records nobody has stored.

        The gap record is durable before they go, so that a crash in between loses nothing that
        nobody was told of.
        """
        with self._lock:
            lost = SeqSet()
            for seq in chain.index_of(self._files, seg).seqs:
                if seq not in self._done:
                    lost.add(seq)
            if lost.ranges():
                self._account(lost, seg.cls, GapReason.QUOTA)
        self._write_gaps()
        with self._lock:
            self._chains[seg.cls].remove(seg)
        self._files.close(seg.fd)
        self._files.remove(seg.path)
        self._files.sync_folder(self._folder)

    def _refuse(self, cls: RecordClass, records: list[_Waiting]) -> None:
        """Nothing can be written: the records are lost, and a gap record will say so."""
        with self._lock:
            if self._full_since_ns is None:
                self._full_since_ns = self._wall_ns()
                log.error("spool %s: the disk is full; records are dropped", self._folder)
            self._account(SeqSet((r.seq, r.seq) for r in records), cls, GapReason.DISK_FULL)

    def _account(self, lost: SeqSet, cls: RecordClass, reason: str) -> None:
        """Nobody waits for `lost` any more, and a gap record will tell; the lock is held."""
        self._dropped += len(lost)
        self._done.update(lost)
        last = self._pending_gaps[-1] if self._pending_gaps else None
        if last is not None and last.cls is cls and last.reason == reason:
            lost = lost.copy()
            lost.update(last.ranges)
            self._pending_gaps.pop()
        ranges = lost.ranges()
        self._pending_gaps.extend(
            Gap(t=self._wall_ns(), ranges=ranges[at : at + 500], cls=cls, reason=reason)
            for at in range(0, len(ranges), 500)
        )

    def _write_gaps(self) -> None:
        """Make what is known to be lost durable; what cannot be written is owed, in order."""
        with self._lock:
            for gap in self._pending_gaps:
                seq, self._next = self._next, self._next + 1
                waiting = _Waiting(seq, RecordClass.GAP, self._wall_ns(), encode_record(gap))
                self._owed.append(waiting)
            self._pending_gaps = []
        while self._owed:
            try:
                written = self._write_some(RecordClass.GAP, self._owed)
            except OSError as error:
                if error.errno not in _FULL:
                    raise SpoolError(f"spool {self._folder}: {error.strerror}") from error
                return
            self._owed = self._owed[written:]

    # --- small ------------------------------------------------------------------------------

    def _used(self) -> int:
        return sum(seg.size for segs in self._chains.values() for seg in segs)

    def _trim(self) -> None:
        """Remove whole segments that nobody waits for; the one being written stays."""
        old: list[Segment] = []
        for segs in self._chains.values():
            while len(segs) > 1 and chain.all_done(segs[0], self._done):
                old.append(segs.pop(0))
        if not old:
            return
        # remembered first: after a kill, what is not there would be taken for lost
        saved = self._save_stored()
        for seg in old:
            self._files.close(seg.fd)
            self._files.remove(seg.path)
        self._files.sync_folder(self._folder)
        if not saved:
            self._save_stored()

    def _forget_indexes(self, cls: RecordClass) -> None:
        loaded = [seg for seg in self._chains[cls][:-1] if seg.index is not None]
        for seg in loaded[:-INDEXES_KEPT]:
            seg.index = None
