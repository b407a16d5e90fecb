"""Pictures on both databases: kept once, seen by nobody unlogged, gone when their time is over."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from haidang_cloud.blobs import Blobs
from haidang_cloud.errors import LakeError
from haidang_cloud.state import State
from haidang_cloud.state.tables import blob_access

JPEG = b"\xff\xd8 picture"


@pytest.fixture
def blobs(state: State, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs", state, centre="c")


def put(
    blobs: Blobs, record: str, content: bytes = JPEG, *, now_ns: int = 0, keep: int = 10
) -> str:
    return blobs.put(record, content, camera="k", now_ns=now_ns, keep_ns=keep)


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def test_each_look_is_logged_before_anything_is_shown(blobs: Blobs, state: State) -> None:
    digest = put(blobs, "n.s.1")
    assert blobs.open("n.s.1", actor="an", why="case/1", now_ns=5) == JPEG
    assert blobs.open("n.s.2", actor="an", why="case/2", now_ns=6) is None
    with state.read() as connection:
        (row,) = connection.execute(sa.select(blob_access)).all()
    assert (row.at_ns, row.record, row.sha256, row.actor, row.why) == (
        5,
        "n.s.1",
        digest,
        "an",
        "case/1",
    )


def test_a_wall_that_looks_all_day_is_one_line_of_the_log_until_it_stops(blobs: Blobs) -> None:
    def look(record: str, at: int, *, actor: str = "an", why: str = "camera/k") -> None:
        assert blobs.open(record, actor=actor, why=why, now_ns=at, sitting_ns=10) == JPEG

    for n in range(1, 6):
        put(blobs, f"n.s.{n}", keep=1000)
        look(f"n.s.{n}", n * 10)
    look("n.s.5", 50, actor="binh")
    look("n.s.5", 55, why="camera/other")
    look("n.s.5", 61)
    assert [
        (one.actor, one.why, one.record, one.at_ns, one.last_ns, one.looks)
        for one in blobs.looks(limit=10)
    ] == [
        ("an", "camera/k", "n.s.5", 61, 61, 1),
        ("an", "camera/other", "n.s.5", 55, 55, 1),
        ("binh", "camera/k", "n.s.5", 50, 50, 1),
        ("an", "camera/k", "n.s.1", 10, 50, 5),
    ]
    older = blobs.looks(limit=1)[0].id
    assert [one.at_ns for one in blobs.looks(limit=2, before=older)] == [55, 50]
    assert blobs.forget_looks(before_ns=51) == 2
    assert [one.at_ns for one in blobs.looks(limit=10)] == [61, 55]


def test_the_same_picture_for_two_records_is_one_file(blobs: Blobs, tmp_path: Path) -> None:
    assert put(blobs, "n.s.1") == put(blobs, "n.s.2")
    assert len(files(tmp_path)) == 1
    put(blobs, "n.s.1", b"\xff\xd8 another one", now_ns=5)  # sent again: the first one stands
    assert blobs.open("n.s.1", actor="a", why="w", now_ns=6) == JPEG
    assert len(files(tmp_path)) == 1


def test_retention_takes_the_file_and_keeps_the_row(blobs: Blobs, tmp_path: Path) -> None:
    put(blobs, "n.s.1", keep=10)
    put(blobs, "n.s.2", keep=20)
    put(blobs, "n.s.3", b"\xff\xd8 other", keep=10)
    assert blobs.open("n.s.1", actor="a", why="w", now_ns=10) is None  # not a moment longer
    assert blobs.expire(now_ns=9) == 0
    assert blobs.expire(now_ns=10) == 2
    assert blobs.expire(now_ns=11) == 0
    found = blobs.find("n.s.1")
    assert found is not None
    assert found.deleted_ns == 10
    # another record still keeps that picture
    assert blobs.open("n.s.2", actor="a", why="w", now_ns=15) == JPEG
    assert len(files(tmp_path)) == 1
    assert blobs.expire(now_ns=20) == 1
    assert files(tmp_path) == []
    put(blobs, "n.s.1", now_ns=30)  # a node that sends late brings nothing back
    assert blobs.open("n.s.1", actor="a", why="w", now_ns=31) is None
    assert files(tmp_path) == []


def test_a_picture_that_was_tampered_with_or_lost_is_not_shown(
    blobs: Blobs, tmp_path: Path
) -> None:
    put(blobs, "n.s.1")
    (path,) = files(tmp_path)
    path.write_bytes(b"\xff\xd8 forged!")
    with pytest.raises(LakeError, match="its hash has changed"):
        blobs.open("n.s.1", actor="a", why="w", now_ns=5)
    path.unlink()
    with pytest.raises(LakeError, match="No such file"):
        blobs.open("n.s.1", actor="a", why="w", now_ns=5)


def test_a_picture_that_cannot_be_written_leaves_no_row(state: State, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file stands where the folder should")
    blobs = Blobs(tmp_path / "blobs", state, centre="c")
    with pytest.raises(LakeError):
        put(blobs, "n.s.1")
    assert blobs.find("n.s.1") is None


def test_a_picture_that_comes_while_its_twin_expires_is_there(blobs: Blobs) -> None:
    for turn in range(10):
        put(blobs, f"n.s.{turn}", now_ns=turn, keep=1)
        removing = threading.Thread(target=blobs.expire, kwargs={"now_ns": turn + 1})
        removing.start()
        put(blobs, f"n.t.{turn}", now_ns=turn, keep=1000)
        removing.join()
        assert blobs.open(f"n.t.{turn}", actor="a", why="w", now_ns=turn + 1) == JPEG
        blobs.expire(now_ns=10_000)
