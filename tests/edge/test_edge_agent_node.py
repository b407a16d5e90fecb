"""The agent as a whole: real processes, a real model, a real clip, a real broker."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from haidang_protocols.wire import messages
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.records import Event, Observation, Phase
from haidang_protocols.wire.topics import NodeLeaf, node_topic
from servers import start
from servers.node import WHERE, AgentNode

pytestmark = [pytest.mark.broker, pytest.mark.data]

QUICK = {"observe_s": 2, "fps": 10, "gate": False}
ANYBODY = {
    "id": "anybody",
    "kind": "intrusion",
    "name": {"vi": "Có người"},
    "zone": "yard",
    "classes": ["person"],
    "min_score": 0.35,
    "clear_s": 1,
    "alarm": True,
}

SSD_SHA256 = "61d598093ed03ed41aa47c3a39a28ac01e960d6a810a5419b9a5016a1e9c469b"

NewNode = Callable[..., AgentNode]


@pytest.fixture
def clip(data_dir: Path) -> str:
    return str(data_dir / "video" / "people_one_by_one.mp4")


@pytest.fixture
def new_node(broker: start.Server, data_dir: Path, tmp_path: Path) -> Iterator[NewNode]:
    """Makes an agent's node; it ends with the test."""
    made: list[AgentNode] = []

    def make(*cameras: dict[str, Any], **options: Any) -> AgentNode:
        model = data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite"
        folder = tmp_path / "node"
        node = AgentNode(folder, port=broker.port, model=model, cameras=cameras, **options)
        made.append(node)
        node.start()
        return node

    yield make
    for node in made:
        node.close()


def until(condition: Callable[[], Any], what: str, timeout_s: float = 45.0) -> None:
    start.wait_until(condition, what=what, timeout_s=timeout_s)


def events(node: AgentNode) -> list[Event]:
    with node.centre.lock:
        return [r for r in node.centre.records.values() if isinstance(r, Event)]


def ids(node: AgentNode, phase: Phase) -> list[str]:
    return [event.event for event in events(node) if event.phase is phase]


def looked(node: AgentNode, camera: str) -> int:
    return int(node.cameras().get(camera, {}).get("looked", 0))


def gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def parent_of(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_clip_becomes_events_pictures_and_counts_and_the_end_is_clean(
    new_node: NewNode, clip: str
) -> None:
    node = new_node({"id": "gate", "source": clip, "rules": [ANYBODY]} | QUICK)
    until(lambda: any(e.phase is Phase.BEGIN for e in events(node)), "an event")
    until(lambda: node.centre.pictures, "its picture")
    begin = next(e for e in events(node) if e.phase is Phase.BEGIN)
    assert (begin.camera, begin.rule, begin.zone, begin.cls) == (
        "gate",
        "anybody",
        "yard",
        "person",
    )
    assert begin.alarm
    assert begin.synced
    assert begin.snapshot
    record, jpeg = next(iter(node.centre.pictures.items()))
    assert isinstance(node.centre.records[parse_record_id(record)[2]], Event)
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    assert isinstance(picture, av.VideoFrame)

    def counted() -> bool:
        records = list(node.centre.records.values())
        return any(isinstance(r, Observation) and r.frames > 5 for r in records)

    until(counted, "an observation")
    status = node.status()
    assert status["birth"]["models"] == {"ssd-mobilenet-v1-coco": SSD_SHA256}
    assert status["birth"]["cameras"] == [
        {"id": "gate", "model": "ssd-mobilenet-v1-coco", "width": 768, "height": 432}
    ]
    health = node.cameras()["gate"]
    assert health["state"] == CameraState.LIVE
    assert health["frame_age_s"] < 5
    assert health["fps"] > 1
    assert status["heartbeat"]["inference_p95_ms"] > 0
    refused = subprocess.run(node.command, check=False, capture_output=True, text=True)
    assert "another agent is at work" in refused.stderr
    children = [pid for pid in node.pids().values() if pid is not None]
    assert node.stop() == 0
    assert all(gone(pid) for pid in children)
    told = [messages.decode(p, messages.NodeState) for p in node.centre.heard(NodeLeaf.STATE)]
    assert not told[-1].online

    node.write_catalogue("cameras: [")
    node.start()
    until(lambda: looked(node, "gate") > 0, "the last good catalogue at work")
    assert "no YAML" in node.status()["birth"]["reason"]
    until(lambda: begin.event in ids(node, Phase.END), "the end of what the stop had cut off")
    begun, ended = ids(node, Phase.BEGIN), ids(node, Phase.END)
    assert len(set(begun)) == len(begun)
    assert len(set(ended)) == len(ended)


def test_whoever_is_killed_or_hangs_comes_back_alone(new_node: NewNode, clip: str) -> None:
    node = new_node(
        {"id": "one", "source": clip} | QUICK,
        {"id": "two", "source": clip} | QUICK,
        {"id": "none", "source": "not-there.mp4"},
        quiet_s=4,
    )
    until(lambda: looked(node, "one") and looked(node, "two"), "both at work")
    broken = node.cameras()["none"]
    assert broken["state"] == CameraState.DOWN
    assert "no such file" in broken["why"]
    assert broken["because"] == {"code": "camera.no_file"}
    before = node.pids()
    engine = "engine ssd-mobilenet-v1-coco"
    assert sorted(before) == ["camera none", "camera one", "camera two", engine]

    def replaced(name: str, pid: int | None) -> bool:
        return node.pids()[name] not in (None, pid)

    for name, number in (("camera one", signal.SIGKILL), (engine, signal.SIGKILL)):
        was, seen = before[name], looked(node, "two")
        assert was is not None
        os.kill(was, number)
        until(lambda name=name, was=was: replaced(name, was), f"another {name}")  # type: ignore[misc]
        until(lambda seen=seen: looked(node, "two") > seen + 5, "two goes on")  # type: ignore[misc]
        until(lambda: looked(node, "one") > 5, "one is back")
    assert node.pids()["camera two"] == before["camera two"]
    assert node.cameras()["one"]["restarts"] == 1
    assert node.cameras()["two"].get("restarts", 0) == 0

    hung = node.pids()["camera one"]
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    until(lambda: replaced("camera one", hung), "another camera one")
    assert gone(hung)
    assert node.pids()["camera two"] == before["camera two"]
    until(lambda: looked(node, "one") > 0, "one is back")

    # the fork server is everybody's parent: they go with it, and all come back
    parent = parent_of(node.pids()["camera two"])
    os.kill(parent, signal.SIGKILL)
    until(lambda: node.pids()["camera two"] not in (None, before["camera two"]), "two is back")
    until(lambda: looked(node, "one") > 5 and looked(node, "two") > 5, "both at work")

    reply = node.ask("restart_camera", camera="three")
    assert reply is not None
    assert "known: none, one, two" in reply.why
    was = node.pids()["camera two"]
    assert node.ask("restart_camera", camera="two") is not None
    until(lambda: replaced("camera two", was), "another camera two")

    children = [pid for pid in node.pids().values() if pid is not None]
    os.kill(node.pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in children), "children gone with their parent")


def test_a_new_catalogue_is_swapped_in_and_a_bad_one_refused(new_node: NewNode, clip: str) -> None:
    camera = {"id": "one", "source": clip, "rules": []} | QUICK
    node = new_node(camera)
    until(lambda: looked(node, "one") > 0, "at work")
    pid = node.pids()["camera one"]
    assert events(node) == []

    node.declare(camera | {"rules": [ANYBODY]})
    until(lambda: events(node), "the new rule at work")
    assert node.pids()["camera one"] == pid, "capture was not touched"

    node.declare(camera | {"rules": [ANYBODY | {"classes": ["unicorn"]}]})
    until(lambda: node.status()["birth"].get("reason"), "refused")
    assert "unicorn" in node.status()["birth"]["reason"]
    assert "unicorn" in node.status()["heartbeat"]["last_reason"]
    assert node.pids()["camera one"] == pid
    assert node.centre.heard(NodeLeaf.BIRTH), "and told in the birth"
    until(lambda: b"unicorn" in node.centre.heard(NodeLeaf.BIRTH)[-1], "birth with its reason")
    reply = node.ask("reload")
    assert reply is not None
    assert not reply.ok
    assert "unicorn" in reply.why

    node.declare(camera | {"fps": 5}, {"id": "two", "source": clip} | QUICK)
    until(lambda: set(node.cameras()) == {"one", "two"} and looked(node, "two"), "another camera")
    assert node.pids()["camera one"] != pid, "another rate needs another capture"
    assert node.status()["birth"].get("reason", "") == ""
    node.declare({"id": "two", "source": clip} | QUICK)
    until(lambda: set(node.cameras()) == {"two"}, "one camera less")


def test_what_the_centre_sends_is_at_work_and_stays_over_a_restart_without_a_broker(
    new_node: NewNode, clip: str, broker: start.Server
) -> None:
    camera = {"id": "one", "source": clip, "rules": []} | QUICK
    node = new_node(files=False)
    assert node.status()["birth"]["because"]["code"] == "catalogue.awaited"
    assert node.cameras() == {}

    node.desire(4, camera)
    until(lambda: looked(node, "one") > 0, "the first camera at work")
    pid = node.pids()["camera one"]
    node.desire(5, camera | {"rules": [ANYBODY]})
    until(lambda: events(node), "the new rule at work")
    assert node.pids()["camera one"] == pid, "capture was not touched"
    assert node.status()["birth"]["catalogue"] == 5

    node.desire(6, camera | {"rules": [ANYBODY | {"min_score": 0.0}]})
    until(lambda: node.status()["birth"].get("reason"), "refused")
    birth = node.status()["birth"]
    assert (birth["catalogue"], birth["because"]["code"]) == (5, "model.faint")
    assert node.pids()["camera one"] == pid

    def told(code: str) -> bool:
        return f'"{code}"'.encode() in node.centre.heard(NodeLeaf.BIRTH)[-1]

    node.desire(7, camera | {"rules": [ANYBODY]})
    until(lambda: node.status()["birth"]["catalogue"] == 7, "one that fits")
    topic = node_topic(*WHERE, NodeLeaf.DESIRED)
    for poison in (b"{", b'{"v":1,"body":"","x":' + b"[" * 90_000):
        node.centre.say(topic, poison, retain=True)
        until(lambda: told("catalogue.unread"), "what is no JSON is told")
        node.desire(7, camera | {"rules": [ANYBODY]})
        until(lambda: not told("catalogue.unread"), "nothing is wrong any more")
    node.centre.say(topic, b"", retain=True)
    until(lambda: told("catalogue.unwanted"), "it is told that the centre wants nothing")
    assert node.pids()["camera one"] == pid, "what runs goes on"
    node.stop()
    broker.stop()
    node.start(heard=False)
    broker.start()
    until(lambda: node.answers() and looked(node, "one") > 0, "at work again")
    assert node.status()["birth"]["catalogue"] == 7
