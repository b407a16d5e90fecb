"""What a demonstration asks of a node: a clock that can be unset, a spool that can be looked at."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from haidang_edge.spool import NodeClock, Spool, SpoolReader, SpoolSettings
from haidang_edge.spool.rehearsal import RehearsedTime
from haidang_protocols.command import main
from haidang_protocols.wire.records import RecordClass
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot

YEAR_NS = 365 * 86_400 * 10**9
QUOTA = 4_000_000


def settings(folder: Path) -> SpoolSettings:
    return SpoolSettings(folder=folder, quota_bytes=QUOTA)


def test_an_unset_clock_stands_in_1970_and_comes_back(tmp_path: Path) -> None:
    unset = tmp_path / "clock.unset"
    source = RehearsedTime(unset)
    now_ns = source.wall_ns()
    assert source.synced()
    unset.touch()
    assert not source.synced()
    assert source.wall_ns() < YEAR_NS, "in 1970"
    unset.unlink()
    assert source.synced()
    assert source.wall_ns() >= now_ns


def test_records_go_on_in_order_while_the_clock_is_unset(tmp_path: Path) -> None:
    unset = tmp_path / "clock.unset"
    clock = NodeClock(tmp_path, source=RehearsedTime(unset))
    before = clock.fix("gate")
    unset.touch()
    within = clock.fix("gate")
    unset.unlink()
    after = clock.fix("gate")
    assert before.wall < within.wall < after.wall
    assert [before.synced, within.synced, after.synced] == [True, False, True]


def append(spool: Spool, cls: RecordClass, payload: bytes) -> int:
    seq = spool.append(cls, payload)
    assert spool.wait(seq)
    return seq


def test_a_reader_sees_what_is_on_the_disk_and_each_record_once(tmp_path: Path) -> None:
    reader = SpoolReader(tmp_path)
    assert reader.look().spool == ""
    spool = Spool(settings(tmp_path))
    try:
        assert reader.look().highest == 0
        append(spool, RecordClass.EVENT, b"one")
        append(spool, RecordClass.OBSERVATION, b"two")
        first = reader.look()
        assert (first.spool, first.highest, first.present) == (spool.id, 2, ((1, 2),))
        assert [(kept.seq, kept.cls) for kept in first.fresh] == [
            (1, RecordClass.EVENT),
            (2, RecordClass.OBSERVATION),
        ]
        assert reader.look().fresh == ()
        append(spool, RecordClass.EVENT, b"three")
        assert [kept.seq for kept in reader.look().fresh] == [3]
    finally:
        spool.close()


def test_a_reader_tells_pictures_and_gaps_for_what_they_are(tmp_path: Path) -> None:
    spool = Spool(settings(tmp_path))
    try:
        header = SnapshotHeader(
            spool=spool.id, seq=1, record=f"n1:{spool.id}:9", camera="gate", t=1, crop=(0, 0, 1, 1)
        )
        append(spool, RecordClass.SNAPSHOT, encode_snapshot(header, b"\xff\xd8"))
        append(spool, RecordClass.SNAPSHOT, b"no picture at all")
        spool.give_up(SeqSet([(2, 2)]), RecordClass.SNAPSHOT, reason="unreadable")
        append(spool, RecordClass.EVENT, b"after the gap")
        fresh = {kept.seq: kept for kept in SpoolReader(tmp_path).look().fresh}
    finally:
        spool.close()
    assert fresh[1].record == f"n1:{spool.id}:9"
    assert fresh[2].record == ""
    (gap,) = [kept for kept in fresh.values() if kept.cls is RecordClass.GAP]
    assert (gap.lost, gap.reason) == (((2, 2),), "unreadable")


def test_what_was_trimmed_is_gone_and_the_highest_stays(tmp_path: Path) -> None:
    spool, reader = Spool(settings(tmp_path)), SpoolReader(tmp_path)
    try:
        seqs = [append(spool, RecordClass.EVENT, bytes([65]) * 60_000) for _ in range(12)]
        before = reader.look()
        spool.stored(SeqSet([(1, seqs[-1])]))
        after = reader.look()
    finally:
        spool.close()
    assert sum(b - a + 1 for a, b in after.present) < sum(b - a + 1 for a, b in before.present)
    assert before.highest == after.highest == 12


def test_a_reader_knows_what_is_stored_as_far_as_it_was_noted(tmp_path: Path) -> None:
    spool = Spool(settings(tmp_path))
    for text in (b"one", b"two", b"three"):
        append(spool, RecordClass.EVENT, text)
    spool.stored(SeqSet([(1, 2)]))
    assert SpoolReader(tmp_path).look().waiting == 3, "it is noted once a minute"
    spool.close()
    assert SpoolReader(tmp_path).look().waiting == 1
    (tmp_path / "stored.json").write_text('{"spool": "0123456789abcdef", "ranges": [[1, 3]]}')
    assert SpoolReader(tmp_path).look().waiting == 3, "of another life of the spool"
    for torn in ("{", '{"spool": "' + spool.id + '", "ranges": [[3, 1]]}', "\udcff"):
        (tmp_path / "stored.json").write_text(torn, errors="surrogateescape")
        assert SpoolReader(tmp_path).look().waiting == 3


def test_what_is_stored_is_noted_while_the_node_is_at_work(tmp_path: Path) -> None:
    spool = Spool(replace(settings(tmp_path), note_stored_s=0.2))
    try:
        for text in (b"one", b"two", b"three"):
            append(spool, RecordClass.EVENT, text)
        time.sleep(0.3)
        spool.stored(SeqSet([(1, 1)]))
        assert SpoolReader(tmp_path).look().waiting == 2
        spool.stored(SeqSet([(1, 2)]))
        assert SpoolReader(tmp_path).look().waiting == 2, "not at each word of the centre"
        time.sleep(0.3)
        spool.stored(SeqSet([(1, 3)]))
        assert SpoolReader(tmp_path).look().waiting == 0
    finally:
        spool.close()


def test_the_command_tells_it_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(settings(tmp_path / "spool"))
    append(spool, RecordClass.EVENT, b"one")
    spool.close()
    (tmp_path / "node.yaml").write_text(
        "{centre: demo, site: gate, node: gate-1, catalogue: centre.yaml, models: models,\n"
        " spool: {folder: spool, quota_mb: 4}, broker: {host: localhost, port: 1, plain: true}}\n"
    )
    words = ["node", "spool", "--config", str(tmp_path / "node.yaml")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert f"spool {spool.id}: highest 1, 1 on the disk, at most 1 of them not yet stored" in told
    assert "catalogue: none has been in force yet" in told
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fresh"] == [{"seq": 1, "cls": "event"}]
    assert main([*words, "--follow", "0"]) == 2
