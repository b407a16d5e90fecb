"""The lake: archived before anything is promised, rolled exactly once, readable while written."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from haidang_cloud.blobs import Blobs
from haidang_cloud.errors import LakeError
from haidang_cloud.lake import Archive, Lake, Roller, Row, SystemArchiveFiles
from haidang_cloud.lake.archive import Header, frame, read
from haidang_cloud.lake.dataset import Written
from haidang_cloud.lake.roll import LEASE_NS
from haidang_cloud.processes.tidy import tidy_apart
from haidang_cloud.state import State, leases
from haidang_protocols.wire.records import (
    Event,
    Phase,
    RuleKind,
    encode_batch,
    encode_record,
)
from haidang_protocols.wire.topics import NodeLeaf, node_topic

SPOOL = "00000000000000ab"
DAY = 86_400 * 10**9
NOON = 1_764_043_200_000_000_000  # 2025-11-25 04:00 UTC, 11:00 in Vietnam


def event(n: int, t: int = NOON) -> bytes:
    return encode_record(
        Event(
            t=t + n,
            camera="cam",
            rule="r",
            type=RuleKind.INTRUSION,
            phase=Phase.BEGIN,
            event=f"e{n}",
        )
    )


def message(seqs: list[int], *, refused: tuple[int, ...] = (), t: int = NOON) -> bytes:
    topic = node_topic("c", "s", "n", NodeLeaf.RECORDS)
    payload = encode_batch(
        spool=SPOOL,
        centre="c",
        site="s",
        node="n",
        sent=1,
        records=[(s, event(s, t)) for s in seqs],
    )
    return frame(Header(topic, NOON, 3, refused), payload)


@pytest.fixture
def lake(state: State, tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", state, centre="c", time_zone="Asia/Ho_Chi_Minh")


@pytest.fixture
def archive(lake: Lake) -> Archive:
    return Archive(lake.archive_folder, worker="w1")


def seqs(lake: Lake) -> list[int]:
    return sorted(row.seq for row in lake.rows())


def test_what_came_is_rolled_once_however_often_it_came(lake: Lake, archive: Archive) -> None:
    archive.append([message([1, 2, 3]), message([3, 4])])
    roller = Roller(lake, holder="a")
    assert roller.roll() == 4
    archive.append([message([2, 5])])
    other = Archive(lake.archive_folder, worker="w2")
    other.append([message([1, 5, 6])])
    assert roller.roll() == 2
    assert roller.roll() == 0
    assert seqs(lake) == [1, 2, 3, 4, 5, 6]
    archive.close()
    other.close()


def test_a_day_is_the_centre_s(lake: Lake, archive: Archive) -> None:
    evening = NOON + 13 * 3600 * 10**9  # 17:00 UTC is midnight there
    archive.append([message([1]), message([2], t=evening - 10**9), message([3], t=evening)])
    Roller(lake, holder="a").roll()
    assert [(f.partition, f.rows) for f in lake.files()] == [("2025-11-25", 2), ("2025-11-26", 1)]


def test_refused_records_do_not_come_in(lake: Lake, archive: Archive) -> None:
    archive.append([message([1, 2, 3], refused=(2,))])
    Roller(lake, holder="a").roll()
    assert seqs(lake) == [1, 3]


def test_a_row_tells_where_it_came_from(lake: Lake, archive: Archive) -> None:
    archive.append([message([7])])
    Roller(lake, holder="a").roll()
    (row,) = lake.rows()
    assert row.record == f"n.{SPOOL}.7"
    assert row.t == NOON + 7
    assert row.received == NOON
    assert row.catalogue == 3
    assert row.raw.encode() == event(7)
    assert row.delivery.startswith("w1-")
    archive.close()


def test_duckdb_reads_what_is_in_the_manifest_and_nothing_else(
    lake: Lake, archive: Archive, tmp_path: Path
) -> None:
    assert lake.query("SELECT count(*) FROM camera_record") == [(0,)]
    archive.append([message(list(range(1, 21)))])
    Roller(lake, holder="a").roll()
    counted = "SELECT count(*), count(DISTINCT record), min(type) FROM camera_record"
    assert lake.query(counted) == [(20, 20, "intrusion")]
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for forbidden in (
        f"SELECT * FROM '{tmp_path / 'secret.csv'}'",  # noqa: S608  # refused is what is tested
        f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')",  # noqa: S608
        "CREATE TABLE x (a INT)",
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "SELECT nothing FROM camera_record",
    ):
        with pytest.raises(LakeError):
            lake.query(forbidden)
    archive.close()


class CrashError(Exception):
    """The process dies here."""


class DyingLake(Lake):
    """Dies before or after one of its steps."""

    def __init__(self, like: Lake, step: str, *, after: bool) -> None:
        super().__init__(
            like.folder.parent, like.state, centre=like.centre, time_zone="Asia/Ho_Chi_Minh"
        )
        self._step, self._after = step, after

    def write(self, partition: str, rows: Sequence[Row]) -> Written:
        with self._dying("write"):
            return super().write(partition, rows)

    def add(self, connection: sa.Connection, written: Sequence[Written], now_ns: int) -> None:
        with self._dying("add"):
            super().add(connection, written, now_ns)

    @contextmanager
    def _dying(self, step: str) -> Iterator[None]:
        if step == self._step and not self._after:
            raise CrashError
        yield
        if step == self._step:
            raise CrashError


def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    lake: Lake, archive: Archive
) -> None:
    archive.append([message([1, 2, 3])])
    now = NOON
    for step in ("write", "add"):
        for after in (False, True):
            now += LEASE_NS + 1
            with pytest.raises(CrashError):
                dying = DyingLake(lake, step, after=after)
                Roller(dying, holder="a", now_ns=partial(int, now)).roll()
            assert seqs(lake) == []
    now += LEASE_NS + 1
    assert Roller(lake, holder="a", now_ns=lambda: now).roll() == 3
    assert seqs(lake) == [1, 2, 3]
    archive.close()


def test_a_crash_while_files_are_joined_loses_and_doubles_nothing(
    lake: Lake, archive: Archive
) -> None:
    for n in range(1, 12):
        archive.append([message([n])])
        Roller(lake, holder="a").roll()
    for after in (False, True):
        with pytest.raises(CrashError):
            DyingLake(lake, "add", after=after).compact(now_ns=NOON)
        assert seqs(lake) == list(range(1, 12))
    assert lake.compact(now_ns=NOON) == 11
    assert seqs(lake) == list(range(1, 12))
    archive.close()


def test_a_roller_that_slept_through_its_lease_ends_with_nothing_done(
    lake: Lake, archive: Archive
) -> None:
    archive.append([message([1, 2, 3])])
    other = Roller(lake, holder="a", now_ns=lambda: NOON + LEASE_NS + 1)

    class SleepyLake(DyingLake):
        def write(self, partition: str, rows: Sequence[Row]) -> Written:
            assert other.roll() == 3
            return super().write(partition, rows)

    late = Roller(SleepyLake(lake, "none", after=False), holder="a", now_ns=lambda: NOON)
    assert late.roll() == 0
    assert seqs(lake) == [1, 2, 3]
    archive.close()


def test_two_who_join_at_once_join_once(lake: Lake, archive: Archive) -> None:
    for n in range(1, 12):
        archive.append([message([n])])
        Roller(lake, holder="a").roll()

    class SlowLake(DyingLake):
        def _store(self, partition: str, table: pa.Table) -> Written:
            written = super()._store(partition, table)
            assert lake.compact(now_ns=NOON) == 11
            return written

    assert SlowLake(lake, "none", after=False).compact(now_ns=NOON) == 0
    assert seqs(lake) == list(range(1, 12))
    assert len(lake.files()) == 1
    archive.close()


def test_readers_see_every_record_once_while_files_come_and_go(
    lake: Lake, archive: Archive
) -> None:
    """A reader in a loop of its own, beside rolls and joins: what it has seen never shrinks."""
    stop = threading.Event()
    seen: list[tuple[int, int, int]] = []
    problems: list[Exception] = []

    def look() -> None:
        while not stop.is_set():
            try:
                sql = "SELECT count(*), count(DISTINCT record), coalesce(max(seq), 0)"
                seen.extend(lake.query(f"{sql} FROM camera_record"))
            except LakeError as error:
                problems.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    roller = Roller(lake, holder="a")
    for n in range(1, 25):
        archive.append([message(list(range(10 * n, 10 * n + 10)))])
        roller.roll()
        if n % 9 == 0:
            lake.compact(now_ns=NOON)
    stop.set()
    reader.join()
    assert problems == []
    assert len(seen) > 3
    assert all(rows == records for rows, records, _ in seen)
    assert seen == sorted(seen)
    assert all(rows == max(0, last - 9) for rows, _, last in seen)
    archive.close()


def test_an_archive_that_a_worker_still_writes_to_is_never_removed(
    lake: Lake, archive: Archive
) -> None:
    """After a quiet night the next record must not go to a file that is gone."""
    archive.append([message([1])])
    tomorrow = time.time_ns() + DAY
    roller = Roller(lake, holder="a", now_ns=lambda: tomorrow)
    roller.roll()
    assert roller.clean() == 0
    archive.append([message([2])])
    assert roller.roll() == 1
    archive.close()
    assert roller.clean() == 1
    assert list(lake.archive_folder.iterdir()) == []
    assert seqs(lake) == [1, 2]


def test_a_torn_archive_goes_once_its_whole_messages_are_rolled(
    lake: Lake, archive: Archive
) -> None:
    archive.append([message([1])])
    archive.close()
    (path,) = lake.archive_folder.iterdir()
    with path.open("ab") as file:
        file.write(message([2])[:-3])
    tomorrow = time.time_ns() + DAY
    roller = Roller(lake, holder="a", now_ns=lambda: tomorrow)
    assert roller.clean() == 0, "it is not rolled yet"
    assert roller.roll() == 1
    assert roller.clean() == 1


def test_two_centres_share_a_folder_and_no_file(state: State, tmp_path: Path) -> None:
    lakes = [
        Lake(tmp_path / "lake", state, centre=centre, time_zone="Asia/Ho_Chi_Minh")
        for centre in ("c", "d")
    ]
    for lake in lakes:
        mine = Archive(lake.archive_folder, worker="w1")
        mine.append([message([1, 2])])
        mine.close()
        assert Roller(lake, holder="a").roll() == 2
    far = time.time_ns() + DAY
    assert [lake.clean(now_ns=far) for lake in lakes] == [0, 0]
    assert [len(seqs(lake)) for lake in lakes] == [2, 2]


def test_small_files_are_joined_and_old_ones_go_after_an_hour(lake: Lake, archive: Archive) -> None:
    for n in range(1, 12):
        archive.append([message([n])])
        Roller(lake, holder="a").roll()
    assert len(lake.files()) == 11
    assert lake.compact(now_ns=NOON) == 11
    assert [f.rows for f in lake.files()] == [11]
    assert seqs(lake) == list(range(1, 12))
    on_disk = list(lake.folder.glob("camera_record/*/*.parquet"))
    assert len(on_disk) == 12, "readers may still hold the old ones"
    assert lake.clean(now_ns=NOON + 3601 * 10**9) == 11
    assert seqs(lake) == list(range(1, 12))
    archive.close()


def test_what_joining_took_goes_back_to_the_system() -> None:
    look = "from haidang_cloud.lake import Lake; import pyarrow as pa; "
    look += "print(pa.default_memory_pool().backend_name)"
    assert subprocess.check_output([sys.executable, "-c", look], text=True) == "system\n"


def test_two_rollers_do_not_roll_at_once(lake: Lake, archive: Archive) -> None:
    archive.append([message([1])])
    assert leases.take(lake.state, "roll:c", "other", now_ns=10, for_ns=100)
    assert Roller(lake, holder="a", now_ns=lambda: 50).roll() == 0
    assert Roller(lake, holder="a", now_ns=lambda: 200).roll() == 1
    archive.close()


def test_a_torn_tail_at_every_byte_hides_nothing_before_it(tmp_path: Path) -> None:
    whole = message([1]) + message([2])
    path = tmp_path / "torn.archive"
    first = len(message([1]))
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert len(list(read(path))) == (cut >= first) + (cut == len(whole))


def test_nothing_is_promised_before_its_sync(tmp_path: Path) -> None:
    """Power is cut after each call: what `append` returned for is on the disk."""

    class Power(SystemArchiveFiles):
        def __init__(self) -> None:
            self.written: dict[int, bytearray] = {}
            self.synced: dict[int, bytes] = {}
            self.ended: list[bytes] = []

        def create(self, path: Path) -> int:
            fd = super().create(path)
            self.written[fd], self.synced[fd] = bytearray(), b""
            return fd

        def append(self, fd: int, data: bytes) -> None:
            self.written[fd] += data

        def sync(self, fd: int) -> None:
            self.synced[fd] = bytes(self.written[fd])

        def close(self, fd: int) -> None:
            super().close(fd)
            self.ended.append(self.synced.pop(fd))

    files = Power()
    archive = Archive(tmp_path, worker="w", files=files, file_bytes=4000)
    rnd = random.Random(1)
    promised: list[bytes] = []
    for n in range(1, 60):
        frames = [message([n * 10 + k]) for k in range(rnd.randrange(1, 4))]
        archive.append(frames)
        promised += frames
        assert b"".join([*files.ended, *files.synced.values()]) == b"".join(promised)
    archive.close()


def test_a_full_disk_promises_nothing_and_leaves_no_half_frame(tmp_path: Path) -> None:
    class Full(SystemArchiveFiles):
        def __init__(self) -> None:
            self.left = 10_000

        def append(self, fd: int, data: bytes) -> None:
            fits = data[: self.left]
            super().append(fd, fits)
            self.left -= len(fits)
            if len(fits) < len(data):
                raise OSError(28, "No space left on device")

    files = Full()
    archive = Archive(tmp_path, worker="w", files=files)
    promised = 0
    with pytest.raises(LakeError, match="No space"):
        for n in range(1, 1000):
            archive.append([message([n])])
            promised = n
    files.left = 10_000
    archive.append([message([5000])])
    found = [m for path in sorted(tmp_path.glob("*.archive")) for m in read(path)]
    assert len(found) == promised + 1
    archive.close()


def test_a_picture_is_kept_by_its_hash_shown_with_a_trace_and_gone_in_time(
    state: State, tmp_path: Path
) -> None:
    blobs = Blobs(tmp_path / "blobs", state, centre="c")
    for record in ("r1", "r2"):
        blobs.put(record, b"\xff\xd8x", camera="cam", now_ns=0, keep_ns=100)
    assert len([p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]) == 1
    assert blobs.open("r1", actor="an", why="case", now_ns=5) == b"\xff\xd8x"
    assert blobs.open("none", actor="an", why="case", now_ns=5) is None
    assert blobs.open("r1", actor="an", why="case", now_ns=101) is None
    assert blobs.expire(now_ns=101) == 2
    assert not [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]
    kept = blobs.find("r1")
    assert kept is not None
    assert kept.deleted_ns == 101


def test_who_only_archives_loads_neither_duckdb_nor_arrow() -> None:
    heavy = "{'duckdb', 'pyarrow'}"
    loads = f"import sys, haidang_cloud.processes.ingest; print({heavy} & {{*sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_a_lake_is_tidied_in_a_process_that_ends_and_says_why_when_it_cannot(
    lake: Lake, archive: Archive, state_url: str, tmp_path: Path
) -> None:
    for n in range(1, 12):
        archive.append([message([n])])
        Roller(lake, holder="a").roll()
    config = tmp_path / "centre.yaml"
    rest = f"timeseries: {{kind: sqlite, path: series.sqlite}}\nlake: {tmp_path / 'lake'}"
    config.write_text(f"centre: c\nstate: {state_url}\n{rest}\nblobs: blobs\n")
    tidy_apart(config, time_zone="Asia/Ho_Chi_Minh")
    assert [f.rows for f in lake.files()] == [11]
    assert seqs(lake) == list(range(1, 12))

    config.write_text(f"centre: c\nstate: nowhere\n{rest}\nblobs: blobs\n")
    with pytest.raises(LakeError, match=r"not tidied: .*'nowhere' is no address"):
        tidy_apart(config, time_zone="Asia/Ho_Chi_Minh")
    archive.close()
