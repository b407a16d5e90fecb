"""The node's time: in order whatever happens to the clock, and right again when it can be."""

from pathlib import Path

import pytest

from fakes.settime import SECOND, SetTime
from haidang_edge.agent.config import BrokerPart, NodeConfig, SpoolPart
from haidang_edge.agent.supervisor import spool_of
from haidang_edge.spool import ClockFixes, NodeClock, SystemFiles
from haidang_protocols.wire.messages import ClockState
from haidang_protocols.wire.records import (
    Event,
    Gap,
    Phase,
    RecordClass,
    RuleKind,
    decode_record,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet

NOW = 1_760_000_000 * SECOND


class FullDisk(SystemFiles):
    """Takes nothing that is new."""

    full = True

    def replace(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().replace(path, data)


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A node that knew the time in an earlier boot."""
    source = SetTime(boot="eeeeeeee", wall=NOW)
    source.is_synced = True
    NodeClock(tmp_path, source=source).save()
    return tmp_path


def test_a_killed_process_goes_on_in_time_while_the_clock_is_not_set(known: Path) -> None:
    source = SetTime()
    last = 0
    for _life in range(4):
        clock = NodeClock(known, source=source)
        for _ in range(5):
            source.go(1.5)
            at = clock.fix("cam")
            assert at.wall > last
            last = at.wall
    assert last >= NOW + 28 * SECOND, "as much time went by as the board says"


def test_a_new_boot_begins_after_all_that_was_made_before(known: Path) -> None:
    last = 0
    for boot in range(3):
        source = SetTime(boot=f"0000000{boot}")
        clock = NodeClock(known, source=source)
        for _ in range(119):
            at = clock.fix("cam")
            assert at.wall > last
            last = at.wall
            source.go(1.0)


def test_a_small_step_back_keeps_the_order_and_a_large_one_the_truth(tmp_path: Path) -> None:
    source = SetTime(wall=NOW)
    source.is_synced = True
    clock = NodeClock(tmp_path, source=source)
    first = clock.fix("cam").wall
    source.wall -= 120 * SECOND
    second = clock.fix("cam").wall
    assert second == first + 1
    source.wall = NOW + 3600 * SECOND
    assert clock.fix("cam").wall == NOW + 3600 * SECOND
    source.wall = NOW + SECOND
    assert clock.fix("cam").wall == NOW + SECOND, "no hour of records from the future"


def test_a_full_disk_stops_no_clock(tmp_path: Path) -> None:
    files = FullDisk()
    source = SetTime(wall=NOW)
    source.is_synced = True
    clock = NodeClock(tmp_path, source=source, files=files)
    for _ in range(3):
        source.go(61.0)
        assert clock.fix("cam").wall == source.wall
    files.full = False
    source.go(61.0)
    clock.fix("cam")
    assert NodeClock(tmp_path, source=SetTime(boot="ffffffff")).state().wall >= source.wall


def test_a_full_disk_holds_up_no_record_and_the_decision_is_remembered_later(
    tmp_path: Path,
) -> None:
    files = FullDisk()
    fixes = ClockFixes(tmp_path, files=files)
    raw = encode_record(
        Event(
            t=5,
            boot="0123abcd",
            mono=10 * SECOND,
            synced=False,
            camera="cam",
            rule="r",
            type=RuleKind.INTRUSION,
            phase=Phase.BEGIN,
            event="e",
        )
    )
    now = ClockState(boot="0123abcd", mono=20 * SECOND, wall=NOW, synced=True)
    sent = fixes.render(1, raw, now, alarm=False)
    assert sent is not None
    assert decode_record(sent).t == NOW - 10 * SECOND
    files.full = False
    later = ClockState(boot="0123abcd", mono=30 * SECOND, wall=NOW + 99 * SECOND, synced=True)
    assert fixes.render(1, raw, later, alarm=False) == sent
    assert ClockFixes(tmp_path).render(1, raw, later, alarm=False) == sent


def test_a_gap_bears_the_node_s_time_and_not_that_of_a_clock_of_1970(known: Path) -> None:
    config = NodeConfig(
        centre="c",
        site="s",
        node="n",
        catalogue="c.yaml",
        models="models",
        spool=SpoolPart(folder=str(known / "spool")),
        broker=BrokerPart(host="127.0.0.1", plain=True),
    )
    spool = spool_of(config, NodeClock(known, source=SetTime(wall=100 * SECOND)))
    lost = spool.append(RecordClass.EVENT, b"{}")
    spool.wait(lost)
    spool.give_up(SeqSet([(lost, lost)]), RecordClass.EVENT, reason="refused")
    spool.wait(lost + 1)
    (entry,) = spool.read(RecordClass.GAP)
    gap = decode_record(entry.payload)
    assert isinstance(gap, Gap)
    assert gap.t >= NOW
    assert entry.appended_ns >= NOW
    assert spool.oldest_ns() == entry.appended_ns
    spool.close()
