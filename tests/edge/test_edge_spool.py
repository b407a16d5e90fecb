"""The spool: nothing that was announced is lost, whatever happens to the process or the disk."""

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.power import PowerFiles
from haidang_edge.errors import SpoolError
from haidang_edge.spool import Spool, SpoolSettings, SystemFiles
from haidang_edge.spool.segment import FRAME, HEADER
from haidang_protocols.wire.records import Gap, RecordClass, decode_record
from haidang_protocols.wire.seqset import SeqSet

OBS, EVENT, ALARM, SNAP = (
    RecordClass.OBSERVATION,
    RecordClass.EVENT,
    RecordClass.ALARM,
    RecordClass.SNAPSHOT,
)


def settings_in(folder: Path, *, quota: int = 64 << 20, segment: int = 1 << 20) -> SpoolSettings:
    return SpoolSettings(folder=folder, quota_bytes=quota, segment_bytes=segment)


def everything(spool: Spool) -> dict[int, bytes]:
    """All that waits, by sequence, over all classes."""
    found = {}
    for cls in RecordClass:
        after = 0
        while read := spool.read(cls, after=after, limit=500, max_bytes=1 << 22):
            found.update({entry.seq: entry.payload for entry in read})
            after = read[-1].seq
    return found


def gaps(spool: Spool) -> list[Gap]:
    read = [decode_record(e.payload) for e in spool.read(RecordClass.GAP, limit=1000)]
    return [gap for gap in read if isinstance(gap, Gap)]


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path))
    first = [spool.append(OBS, b"record %d" % n) for n in range(100)]
    assert spool.wait(first[-1])
    spool_id = spool.id
    spool.close()
    again = Spool(settings_in(tmp_path))
    assert again.id == spool_id
    assert everything(again) == {n + 1: b"record %d" % n for n in range(100)}
    assert again.append(EVENT, b"next") == 101
    again.close()


def test_classes_are_read_apart_and_only_above_what_was_asked(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path))
    spool.append(OBS, b"a")
    spool.append(ALARM, b"b")
    spool.wait(spool.append(OBS, b"c"))
    assert [e.seq for e in spool.read(OBS)] == [1, 3]
    assert [e.seq for e in spool.read(OBS, after=1)] == [3]
    assert [e.payload for e in spool.read(ALARM)] == [b"b"]
    spool.close()


def test_only_what_the_centre_stored_goes_and_whole_segments_are_freed(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path, segment=64 << 10))
    last = 0
    for _ in range(40):
        last = spool.append(OBS, os.urandom(10_000))
    spool.wait(last)
    used = spool.bytes_used()
    assert spool.stored(SeqSet([(1, 20)])) == 20
    assert set(everything(spool)) == set(range(21, 41))
    assert spool.bytes_used() < used
    assert spool.stored(SeqSet([(1, 20)])) == 0
    spool.stored(SeqSet([(1, 40)]))
    assert spool.depth() == 0
    spool.close()
    again = Spool(settings_in(tmp_path, segment=64 << 10))
    assert again.next_seq == 41
    assert everything(again) == {}
    again.close()


def test_what_waits_longest_is_what_nobody_has_stored_not_what_stands_beside_it(
    tmp_path: Path,
) -> None:
    clock = iter(range(0, 1000, 10))
    spool = Spool(settings_in(tmp_path), wall_ns=lambda: next(clock))
    assert spool.oldest_ns() is None
    seqs = [spool.append(cls, b"record") for cls in (OBS, ALARM, OBS, OBS)]
    spool.wait(seqs[-1])
    appended = [entry.appended_ns for cls in (OBS, ALARM) for entry in spool.read(cls)]
    assert spool.oldest_ns() == min(appended)
    spool.stored(SeqSet([(seqs[0], seqs[2])]))
    (last,) = spool.read(OBS)
    assert spool.oldest_ns() == last.appended_ns == max(appended)
    spool.stored(SeqSet([(seqs[0], seqs[3])]))
    assert spool.oldest_ns() is None
    spool.close()


def test_a_watermark_that_speaks_of_more_than_was_written_is_kept_to_what_was(
    tmp_path: Path,
) -> None:
    spool = Spool(settings_in(tmp_path))
    spool.wait(spool.append(OBS, b"one"))
    spool.stored(SeqSet([(1, 500)]))
    two = spool.append(OBS, b"two")
    spool.wait(two)
    assert everything(spool) == {two: b"two"}
    spool.close()


def test_a_torn_tail_at_every_byte_costs_only_the_torn_record(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path / "whole", segment=64 << 10))
    payloads = [b"x" * 20, b"y" * 33, b"z" * 7]
    spool.wait([spool.append(OBS, p) for p in payloads][-1])
    spool.close()
    (path,) = (tmp_path / "whole").glob("observation-*.seg")
    data = path.read_bytes()
    ends, at = [], HEADER.size
    for payload in payloads:
        at += FRAME.size + len(payload)
        ends.append(at)
    for cut in range(HEADER.size, at + 1):
        folder = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path / "whole", folder)
        torn = data[:cut] + bytes(len(data) - cut)
        (folder / path.name).write_bytes(torn)
        opened = Spool(settings_in(folder, segment=64 << 10))
        # a payload may itself end in zeros of its file: what counts is every whole frame before
        whole = sum(end <= cut for end in ends)
        got = {s: p for s, p in everything(opened).items() if p in payloads}
        assert got == {n + 1: payloads[n] for n in range(whole)}, cut
        seq = opened.append(OBS, b"after the crash")
        assert opened.wait(seq)
        assert everything(opened)[seq] == b"after the crash"
        opened.close()
        reopened = Spool(settings_in(folder, segment=64 << 10))
        assert everything(reopened)[seq] == b"after the crash", cut
        reopened.close()
        shutil.rmtree(folder)


def test_a_flipped_bit_costs_one_record_and_a_gap_says_which(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path, segment=64 << 10))
    spool.wait([spool.append(OBS, b"payload %d" % n) for n in range(9)][-1])
    spool.close()
    (path,) = tmp_path.glob("observation-*.seg")
    data = bytearray(path.read_bytes())
    at = HEADER.size + 4 * (FRAME.size + len(b"payload 0")) + FRAME.size + 2
    data[at] ^= 0x10
    path.write_bytes(bytes(data))
    again = Spool(settings_in(tmp_path, segment=64 << 10))
    again.wait(again.append(OBS, b"more"))
    assert {s for s in everything(again) if s <= 9} == {1, 2, 3, 4, 6, 7, 8, 9}
    assert [gap.ranges for gap in gaps(again)] == [((5, 5),)]
    again.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 1 << 30),
    steps=st.lists(
        st.tuples(st.sampled_from([OBS, EVENT, ALARM, SNAP]), st.integers(1, 3000), st.booleans()),
        min_size=1,
        max_size=40,
    ),
)
def test_no_record_is_announced_before_its_sync(
    seed: int, steps: list[tuple[RecordClass, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The power goes at a random moment: all that was announced is there, byte for byte."""
    rnd = random.Random(seed)
    base = tmp_path_factory.mktemp("power")
    files = PowerFiles()
    spool = Spool(settings_in(base / "spool", segment=64 << 10), files=files)
    sent: dict[int, bytes] = {}
    announced: set[int] = set()
    cut_at = rnd.randrange(len(steps) + 1)
    for number, (cls, size, wait) in enumerate(steps):
        if number == cut_at:
            break
        payload = rnd.randbytes(size)
        seq = spool.append(cls, payload)
        sent[seq] = payload
        if wait and spool.wait(seq):
            announced = set(sent)
    readable = everything(spool)  # whatever the publisher could have sent counts as announced too
    files.cut(base / "disk", rnd)
    spool.close()
    after = Spool(settings_in(base / "disk", segment=64 << 10))
    found = everything(after)
    after.close()
    assert {seq: sent[seq] for seq in announced} == {seq: found.get(seq) for seq in announced}
    assert {s: p for s, p in readable.items() if s in sent}.items() <= found.items()
    shutil.rmtree(base)


def test_the_shim_would_catch_a_spool_that_does_not_sync(tmp_path: Path) -> None:
    class Lying(PowerFiles):
        def sync(self, fd: int) -> None:
            """A sync that only claims."""

    files = Lying()
    spool = Spool(settings_in(tmp_path / "spool"), files=files)
    seq = spool.append(OBS, b"important")
    assert spool.wait(seq)
    files.cut(tmp_path / "disk", random.Random(2))
    spool.close()
    after = Spool(settings_in(tmp_path / "disk"))
    found = everything(after)
    after.close()
    assert found.get(seq) != b"important"


def test_a_quota_drops_the_lowest_class_first_and_says_exactly_what(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path, quota=2 << 20, segment=128 << 10))
    kept = [spool.append(ALARM, b"a" * 1000) for _ in range(50)]
    kept += [spool.append(EVENT, b"e" * 1000) for _ in range(100)]
    snaps = []
    for n in range(60):
        snaps.append(spool.append(SNAP, b"s" * 60_000))
        spool.wait(spool.append(OBS, b"o" * 100))
        if n % 10 == 0:
            kept.append(spool.append(ALARM, b"late alarm"))
    spool.wait(spool.append(EVENT, b"end"))
    there = set(everything(spool))
    assert set(kept) <= there
    lost = set(snaps) - there
    assert lost, "the quota holds only some of the snapshots"
    told = {s for gap in gaps(spool) for a, b in gap.ranges for s in range(a, b + 1)}
    assert lost == told
    assert {gap.cls for gap in gaps(spool)} == {SNAP}
    assert lost == set(sorted(snaps)[: len(lost)]), "the oldest go first"
    assert spool.bytes_used() <= 2 << 20
    assert spool.dropped() == len(lost)
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_keeps_what_was_announced_and_accounts_for_the_rest(small_disk: Path) -> None:
    spool = Spool(settings_in(small_disk / "spool", quota=64 << 20, segment=256 << 10))
    alarms, rest = [], []
    for n in range(600):
        rest.append(spool.append(OBS, b"o" * 9000))
        if n % 20 == 0:
            alarms.append(spool.append(ALARM, b"alarm"))
        spool.wait(rest[-1])
    there = set(everything(spool))
    told = {s for gap in gaps(spool) for a, b in gap.ranges for s in range(a, b + 1)}
    assert set(alarms) <= there, "alarms are the last to go"
    assert set(rest) == (there & set(rest)) | (told & set(rest))
    assert not there & told
    # room again: the spool goes on by itself
    spool.stored(SeqSet([(1, rest[-1])]))
    seq = spool.append(OBS, b"o" * 9000)
    assert spool.wait(seq)
    assert seq in everything(spool)
    spool.close()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as other, pytest.raises(OSError, match="No space"):
        while other.write(bytes(4096)):
            pass


def test_a_disk_that_others_filled_loses_nothing_silently(small_disk: Path) -> None:
    spool = Spool(settings_in(small_disk / "spool", quota=64 << 20, segment=256 << 10))
    spool.wait(spool.append(OBS, b"before"))
    fill(small_disk / "other")
    lost = [spool.append(EVENT, b"e" * 1000) for _ in range(5)]
    spool.wait(lost[-1])
    (small_disk / "other").unlink()
    seq = spool.append(EVENT, b"after")
    assert spool.wait(seq)
    there = set(everything(spool))
    told = {s for gap in gaps(spool) for a, b in gap.ranges for s in range(a, b + 1)}
    assert seq in there
    assert {1, *lost} == ({1, *lost} & there) | ({1, *lost} & told)
    spool.close()


def test_a_sigkilled_writer_leaves_all_that_it_announced(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from haidang_edge.spool import Spool, SpoolSettings, SystemFiles\n"
        "from haidang_protocols.wire.records import RecordClass\n"
        "spool = Spool(SpoolSettings(folder=Path(sys.argv[1]), segment_bytes=65536))\n"
        "n = 0\n"
        "while True:\n"
        "    seqs = [spool.append(RecordClass.OBSERVATION, b'%d' % (n + i)) for i in range(20)]\n"
        "    n += 20\n"
        "    spool.wait(seqs[-1])\n"
        "    sys.stdout.write(f'{seqs[-1]}\\n'); sys.stdout.flush()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        announced = 0
        for line in writer.stdout:
            announced = int(line)
            if announced >= 400:
                break
        writer.kill()
    spool = Spool(settings_in(tmp_path))
    found = everything(spool)
    assert {seq: found[seq] for seq in range(1, announced + 1)} == {
        seq: b"%d" % (seq - 1) for seq in range(1, announced + 1)
    }
    spool.close()


def test_many_threads_append_and_every_record_is_there_once(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path))
    taken: list[int] = []

    def work(name: int) -> None:
        taken.extend(spool.append(EVENT, b"%d-%d" % (name, n)) for n in range(50))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.wait(max(taken))
    assert sorted(taken) == list(range(1, 201))
    assert len(set(everything(spool).values())) == 200
    spool.close()


def killed(folder: Path, into: Path) -> SpoolSettings:
    """The spool's folder as a killed process leaves it; nothing may be going on in it."""
    time.sleep(0.2)
    shutil.copytree(folder, into)
    return settings_in(into, segment=64 << 10)


def test_a_gap_announces_nothing_that_is_not_written(tmp_path: Path) -> None:
    """A quota's gap gets a higher sequence than records that are still on their way to the disk."""

    class Slow(SystemFiles):
        def sync(self, fd: int) -> None:
            time.sleep(0.02)
            super().sync(fd)

    spool = Spool(settings_in(tmp_path, quota=2 << 20, segment=64 << 10), files=Slow())
    for _ in range(60):
        last = [spool.append(SNAP, b"s" * 20_000) for _ in range(3)][-1]
        assert spool.wait(last)
        assert [entry.seq for entry in spool.read(SNAP, after=last - 1)] == [last]
    assert gaps(spool), "the quota was felt"
    spool.close()


def test_a_kill_makes_no_loss_of_what_was_stored_and_removed(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path / "spool", segment=64 << 10))
    for _ in range(40):
        spool.wait(spool.append(OBS, os.urandom(10_000)))
    used = spool.bytes_used()
    spool.stored(SeqSet([(1, 30)]))
    assert spool.bytes_used() < used
    after = Spool(killed(tmp_path / "spool", tmp_path / "after"))
    after.wait(after.append(OBS, b"more"))
    assert gaps(after) == []
    assert set(everything(after)) == set(range(31, 42))
    after.close()
    spool.close()


def test_a_kill_tells_no_loss_twice(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path / "spool", quota=2 << 20, segment=64 << 10))
    for _ in range(60):
        spool.wait(spool.append(SNAP, b"s" * 50_000))
    told = gaps(spool)
    assert told
    after = Spool(killed(tmp_path / "spool", tmp_path / "after"))
    after.wait(after.append(OBS, b"more"))
    assert gaps(after) == told
    after.close()
    spool.close()


def test_a_full_disk_stops_no_spool_that_only_wants_to_remember_what_is_stored(
    tmp_path: Path,
) -> None:
    class NoReplace(SystemFiles):
        full = False

        def replace(self, path: Path, data: bytes) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super().replace(path, data)

    files = NoReplace()
    spool = Spool(settings_in(tmp_path, segment=64 << 10), files=files)
    files.full = True
    spool.wait([spool.append(OBS, b"x" * 30) for _ in range(25_000)][-1])
    spool.stored(SeqSet([(1, 25_000)]))
    seq = spool.append(OBS, b"after")
    assert spool.wait(seq)
    assert everything(spool) == {seq: b"after"}, "segments are removed all the same"
    files.full = False
    spool.close()
    again = Spool(settings_in(tmp_path, segment=64 << 10))
    assert everything(again) == {seq: b"after"}
    again.close()


def test_records_given_up_are_replaced_by_a_gap(tmp_path: Path) -> None:
    spool = Spool(settings_in(tmp_path))
    spool.wait([spool.append(EVENT, b"event") for _ in range(3)][-1])
    spool.give_up(SeqSet([(2, 2)]), EVENT, reason="unreadable")
    spool.wait(4)
    assert [(g.ranges, g.cls, g.reason) for g in gaps(spool)] == [(((2, 2),), EVENT, "unreadable")]
    assert set(everything(spool)) == {1, 3, 4}
    spool.close()


def test_a_quota_too_small_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="at least"):
        SpoolSettings(folder=tmp_path, quota_bytes=1000)


def test_a_damaged_identity_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "spool.json").write_text("{")
    with pytest.raises(SpoolError, match=r"spool\.json"):
        Spool(settings_in(tmp_path))


class FailingFiles(SystemFiles):
    """A disk that fails from some moment on."""

    fails = False

    def sync(self, fd: int) -> None:
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(fd)


def test_a_disk_that_fails_ends_the_spool_and_says_so(tmp_path: Path) -> None:
    files = FailingFiles()
    spool = Spool(SpoolSettings(folder=tmp_path), files=files)
    assert spool.wait(spool.append(RecordClass.EVENT, b"good"))
    alive = [spool.alive]
    files.fails = True
    assert not spool.wait(spool.append(RecordClass.EVENT, b"lost"))
    alive.append(spool.alive)
    assert alive == [True, False]
    with pytest.raises(SpoolError, match="Input/output error"):
        spool.append(RecordClass.EVENT, b"refused")
    assert [entry.payload for entry in spool.read(RecordClass.EVENT)] == [b"good"]
    files.fails = False
    spool.close()
