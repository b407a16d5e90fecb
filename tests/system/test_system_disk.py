"""Full disks: nothing announced is lost, what is dropped is told, and all goes on by itself."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.disk import grow, small_disk
from fakes.node_line import Line, wait_for
from haidang_cloud.lake.archive import folder_of
from haidang_protocols.wire.records import RecordClass
from servers import start

pytestmark = pytest.mark.broker


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    try:
        with small_disk(tmp_path / "disk", size="4m") as folder:
            yield folder
    except PermissionError as error:
        if os.environ.get("HAIDANG_REQUIRE") == "1":
            pytest.fail(f"required, but {error}")
        pytest.skip(str(error))


def fill(path: Path) -> None:
    """Another program takes all that is left of a disk."""
    with path.open("wb", buffering=0) as other, pytest.raises(OSError, match="No space"):
        while other.write(bytes(4096)):
            pass


def stands(figure: Callable[[], int]) -> bool:
    """Whether a figure is the same after two seconds: watermarks come one a second at most."""
    before = figure()
    time.sleep(2)
    return figure() == before


def test_a_node_whose_disk_fills_tells_what_it_drops_and_goes_on(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    disk: Path,
    tell: Callable[[object], None],
) -> None:
    line = new_line(**embedded, workers=1)
    line.node(
        folder=disk / "spool",
        rate=400.0,
        snapshot_every=10,
        snapshot_bytes=20_000,
        segment_bytes=256 << 10,
    )

    def settled() -> int:
        return len(line.notes("n1").settled)

    line.start()
    broker.kill()
    at = settled()
    # 40 pictures a second of 20 kB: the disk is full several times over
    wait_for(lambda: settled() > at + 2500, "the spool goes on on a full disk")
    assert shutil.disk_usage(disk).free < 1 << 20
    fill(disk / "others")
    at = settled()
    wait_for(lambda: settled() > at + 300, "the spool goes on where nothing can be written")
    (disk / "others").unlink()
    at = settled()
    wait_for(lambda: settled() > at + 300, "and where it can be again")
    broker.start()
    line.finish(timeout_s=120.0)
    line.stop()
    found = line.account()
    lost = {cls: found.gaps_of(line.notes("n1"), cls) for cls in RecordClass}
    tell(f"{found}; named by gaps: { ({cls.value: n for cls, n in lost.items() if n}) }")
    assert set(found.faults()) == {"dropped"}
    assert lost[RecordClass.SNAPSHOT] > 100, "the lowest class goes first"
    assert found.stored > 2000


def test_a_centre_whose_archive_is_full_acknowledges_nothing_until_there_is_room(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    disk: Path,
    tell: Callable[[object], None],
) -> None:
    line = new_line(**embedded, workers=2, lake=disk / "lake")
    line.node(rate=300.0, snapshot_every=0)
    line.start()
    fill(disk / "others")

    def waiting() -> int:
        return len(line.notes("n1").settled) - line.stored()

    wait_for(lambda: any(w.said("No space left") for w in line.workers), "a full archive")
    wait_for(lambda: waiting() > 1500, "the spool takes what the centre cannot")
    wait_for(lambda: stands(line.stored), "the last word from before it was full")
    stored = line.stored()
    wait_for(lambda: waiting() > 2000, "hardly anything more is stored")
    assert line.stored() < stored + 100, "but for what fits into a page that was begun"
    files = len(list(folder_of(disk / "lake", "c").iterdir()))
    (disk / "others").unlink()
    grow(disk, size="64m")
    line.finish(timeout_s=120.0)
    line.stop()
    found = line.account()
    tell(f"{found}; {files} archive files while it was full")
    assert not found.faults()
    assert files < 10, "a full disk is not littered"
