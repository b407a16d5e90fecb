"""The demo's desk as the console reaches it: what it is told, what it refuses, when it is away."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from haidang_cloud.console.faults import FaultDesk
from haidang_cloud.demo.desk import Desk
from haidang_cloud.errors import RefusedError

pressed: list[str] = []


def press(rest: str) -> dict[str, str]:
    if rest == "moon":
        raise RefusedError("unknown.fault", "there is no fault moon")
    if rest in pressed:
        raise RefusedError("conflict.fault", "this fault is still on")
    pressed.append(rest)
    return {"pressed": rest}


@pytest.fixture
def demo() -> Iterator[Desk]:
    pressed.clear()
    opened = Desk(
        reads={"/api/account": lambda _: {"lost": 0}, "/api/faults": lambda _: []},
        acts={"/api/faults/": press},
    )
    yield opened
    opened.close()


def told(folder: Path, url: str, token: str) -> FaultDesk:
    file = folder / "desk.json"
    file.write_text(json.dumps({"url": url, "token": token}))
    return FaultDesk(file)


def code_of(desk: FaultDesk, fault: str = "link") -> str:
    with pytest.raises(RefusedError) as caught:
        desk.press(fault, None)
    return caught.value.code


def test_what_the_desk_tells_and_does(demo: Desk, tmp_path: Path) -> None:
    desk = told(tmp_path, demo.url, demo.token)
    assert desk.look() == {"account": {"lost": 0}, "faults": []}
    desk.press("link", 5)
    desk.press("message", None)
    assert pressed == ["link/5", "message"]
    assert code_of(desk, "message") == "conflict.fault"
    assert code_of(desk, "moon") == "unknown.fault"


def test_a_desk_that_is_not_there_is_away(demo: Desk, tmp_path: Path) -> None:
    assert code_of(FaultDesk(tmp_path / "none.json")) == "away.desk_closed"
    assert code_of(told(tmp_path, "http://127.0.0.1:9", "x" * 24)) == "away.desk"
    assert code_of(told(tmp_path, demo.url, "a token that was guessed")) == "away.desk"
    assert pressed == []


def test_nobody_but_this_machine_is_asked(demo: Desk, tmp_path: Path) -> None:
    assert code_of(told(tmp_path, "http://192.0.2.1:80", demo.token)) == "away.desk_closed"
    assert code_of(told(tmp_path, "file:///etc/passwd", demo.token)) == "away.desk_closed"
