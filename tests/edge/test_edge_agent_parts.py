"""The agent's parts by themselves: configuration, declarations, records, keepers, board."""

import contextlib
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.reduction import send_handle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml

from fakes.small_node import ABSENT, MODEL, NODE, written
from haidang_edge.agent import board, entry
from haidang_edge.agent.config import load_config
from haidang_edge.agent.declared import Declarations
from haidang_edge.agent.facts import Facts, ModelFacts, Question
from haidang_edge.agent.keepers import CameraKeeper, EngineKeeper, Limits, boottime_ns
from haidang_edge.agent.link import Asking
from haidang_edge.agent.mailbox import Mailbox
from haidang_edge.agent.messages import (
    FROM_ENGINE,
    Attach,
    EngineJob,
    Pulse,
    Ready,
    Refused,
    Told,
    encode,
)
from haidang_edge.agent.notify import Notifier
from haidang_edge.agent.recorder import Recorder
from haidang_edge.detect import ModelStore, recipes
from haidang_edge.errors import NodeConfigError
from haidang_edge.spool import NodeClock, Spool, SpoolSettings
from haidang_edge.street import Street, StreetSettings
from haidang_protocols.catalogue import CatalogueRefusedError
from haidang_protocols.catalogue.loader import load
from haidang_protocols.errors import UserError
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import because
from haidang_protocols.wire.records import (
    Event,
    Observation,
    Phase,
    RecordClass,
    RuleKind,
    decode_record,
)
from haidang_protocols.wire.snapshot import decode_snapshot
from servers.node import CATALOGUE

RECIPES = Path(recipes.__file__).parent
# the catalogue stands between who the node is and its models
GOOD: dict[str, Any] = {
    **{key: NODE[key] for key in ("centre", "site", "node")},
    "catalogue": "centre.yaml",
    **{key: NODE[key] for key in ("models", "spool", "broker")},
}


# --- node.yaml ----------------------------------------------------------------------------------


def test_paths_begin_where_the_file_is(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.catalogue == str(tmp_path / "centre.yaml")
    assert config.spool_settings().folder == tmp_path / "spool"
    assert config.broker_settings().plain


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    wrong = GOOD | {"site": 5, "spool": {"folder": "s", "quota_mb": 1}, "colour": "red"}
    with pytest.raises(NodeConfigError) as caught:
        load_config(written(tmp_path, wrong))
    said = str(caught.value)
    assert "node.yaml:2: site" in said
    assert "spool.quota_mb" in said
    assert "unknown key" in said
    assert "colour" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"broker": {"host": "broker.example", "plain": True}}, "loopback only"),
        ({"broker": {"host": "127.0.0.1"}}, "broker.cert: is missing"),
        (
            {"broker": {"host": "b", "ca": "ca.pem", "cert": "c.pem", "key": "k.pem"}},
            "haidang node enrol",
        ),
        ({"node": "ingest"}, "reserved"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(NodeConfigError, match=said):
        load_config(written(tmp_path, GOOD | change))


def test_who_has_not_enrolled_is_told_how(tmp_path: Path) -> None:
    fresh = {key: GOOD[key] for key in ("models", "spool")}
    path = written(tmp_path, fresh)
    with pytest.raises(NodeConfigError) as caught:
        load_config(path)
    *mistakes, advice = str(caught.value).splitlines()
    assert len(mistakes) == 5
    assert f"haidang node enrol --url … --token - --write {path}" in advice
    with pytest.raises(NodeConfigError) as caught:
        load_config(written(tmp_path, fresh | {"centre": "demo"}))
    assert "enrol" not in str(caught.value), "somebody wrote it by hand and forgot the rest"


@pytest.mark.parametrize("text", ["", "centre: [", "- 1", "\x00"])
def test_what_is_no_configuration_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(NodeConfigError, match=r"node\.yaml"):
        load_config(written(tmp_path, text))


def test_the_command_refuses_with_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("haidang")), "node", "agent"]
    config = written(tmp_path, GOOD | {"catalogue": "nowhere"})
    command += ["--config", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


# --- declarations -------------------------------------------------------------------------------


def inspected(question: Question) -> Facts:
    """Every model is here and knows everything."""
    return Facts(models={camera.model: MODEL for camera in question.cameras})


def declarations(folder: Path, **changes: Any) -> Declarations:
    (folder / "spool").mkdir(exist_ok=True)
    inspect = changes.pop("inspect", inspected)
    return Declarations(load_config(written(folder, GOOD | changes)), inspect)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "centre.yaml"
    path.write_text(CATALOGUE.read_text())
    return path


def test_a_refused_catalogue_keeps_the_last_good_over_a_restart_too(
    tmp_path: Path, catalogue: Path
) -> None:
    first = declarations(tmp_path)
    assert [camera.id for camera in first.current.cameras] == ["gate-east"]
    assert not first.touched()
    catalogue.write_text(CATALOGUE.read_text().replace("zone: yard", "zone: garden"))
    assert first.touched()
    good = first.current
    assert first.read_anew()
    assert first.current is good
    assert "garden" in first.reason
    assert not first.read_anew(), "the same mistake is told once"
    again = declarations(tmp_path)
    assert [camera.id for camera in again.current.cameras] == ["gate-east"]
    assert "garden" in again.reason
    catalogue.write_text(CATALOGUE.read_text())
    assert again.read_anew()
    assert again.reason == ""


def test_the_number_beside_a_catalogue_is_what_the_node_says_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    number, text = folder / "VERSION", folder / "centre.yaml"
    text.write_text(CATALOGUE.read_text())
    declared = declarations(tmp_path, catalogue="catalogue")
    assert declared.current.version == 0
    number.write_text("7\n")
    assert declared.touched()
    assert declared.read_anew()
    assert declared.current.version == 7
    text.write_text(CATALOGUE.read_text().replace("zone: yard", "zone: garden"))
    number.write_text("8\n")
    assert declared.read_anew()
    assert (declared.current.version, bool(declared.reason)) == (7, True)
    assert declarations(tmp_path, catalogue="catalogue").current.version == 7
    text.write_text(CATALOGUE.read_text())
    number.write_text("what nobody can read")
    assert declared.read_anew()
    assert declared.current.version == 0


def test_without_a_last_good_one_the_node_does_not_start(tmp_path: Path, catalogue: Path) -> None:
    catalogue.write_text("centre: 5")
    with pytest.raises(CatalogueRefusedError):
        declarations(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"centre": "other"}, "is of centre 'demo'"),
        ({"node": "gate-2"}, "has no node 'gate-2'; it has: gate-1"),
        ({"site": "yard"}, "at site 'gate'"),
        ({"inspect": lambda _: Facts(models={}, problems=(ABSENT,))}, "model x is not on this"),
    ],
)
def test_a_catalogue_that_is_not_this_nodes_is_refused(
    tmp_path: Path, catalogue: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        declarations(tmp_path, **changes)


# --- recorder -----------------------------------------------------------------------------------


class Node:
    """A spool with a recorder."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(SpoolSettings(folder=folder))
        self.clock = NodeClock(folder, trust_wall=True)
        self.recorder = Recorder(self.spool, self.clock, node="n", folder=folder)

    def records(self, cls: RecordClass) -> list[Any]:
        self.spool.wait(self.spool.next_seq - 1)
        return [decode_record(entry.payload) for entry in self.spool.read(cls)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.spool.close()


def event(number: int = 1, *, phase: Phase = Phase.BEGIN, alarm: bool = True) -> Event:
    return Event(
        t=0,
        mono=boottime_ns() - 10**9,
        camera="cam",
        rule="r",
        type=RuleKind.INTRUSION,
        phase=phase,
        event=f"e{number}",
        alarm=alarm,
        snapshot=True,
    )


def test_time_is_fixed_by_the_moment_of_the_frame(node: Node) -> None:
    told = event()
    before = time.time_ns()
    node.recorder.take(Told(record=told))
    (record,) = node.records(RecordClass.ALARM)
    assert record.boot == node.clock.state().boot
    assert record.mono == told.mono
    assert 0.9e9 < before - record.t < 30e9


def test_records_go_by_class_and_a_picture_names_its_event(node: Node) -> None:
    node.recorder.take(Told(record=event(), jpeg=b"\xff\xd8picture", crop=(0, 0, 1, 1)))
    node.recorder.take(Told(record=event(2, phase=Phase.MOMENT, alarm=False)))
    node.recorder.take(
        Told(record=Observation(t=0, mono=boottime_ns(), camera="cam", interval_s=1, frames=1))
    )
    (alarm,) = node.records(RecordClass.ALARM)
    assert alarm.event == "e1"
    assert len(node.records(RecordClass.EVENT)) == 1
    assert len(node.records(RecordClass.OBSERVATION)) == 1
    (entry,) = node.spool.read(RecordClass.SNAPSHOT)
    header, jpeg = decode_snapshot(entry.payload)
    assert jpeg == b"\xff\xd8picture"
    assert header.record == f"n.{node.spool.id}.1"
    assert header.t == alarm.t


def test_what_a_dead_camera_left_open_ends_once(node: Node) -> None:
    for number in (1, 2):
        node.recorder.take(Told(record=event(number)))
    node.recorder.take(Told(record=event(1, phase=Phase.END)))
    node.recorder.camera_gone("other")
    node.recorder.camera_gone("cam")
    node.recorder.camera_gone("cam")
    phases = [(r.event, r.phase) for r in node.records(RecordClass.ALARM)]
    assert phases == [
        ("e1", Phase.BEGIN),
        ("e2", Phase.BEGIN),
        ("e1", Phase.END),
        ("e2", Phase.END),
    ]
    last = node.records(RecordClass.ALARM)[-1]
    assert last.duration_s >= 1.0
    assert not last.snapshot


def test_what_was_open_at_a_power_cut_ends_at_the_next_start(tmp_path: Path) -> None:
    first = Node(tmp_path)
    first.recorder.take(Told(record=event()))
    first.recorder.save()
    first.spool.close()
    second = Node(tmp_path)
    assert [r.phase for r in second.records(RecordClass.ALARM)] == [Phase.BEGIN, Phase.END]
    second.spool.close()
    third = Node(tmp_path)
    assert len(third.records(RecordClass.ALARM)) == 2, "and only then"
    third.spool.close()


# --- keepers ------------------------------------------------------------------------------------

LIMITS = Limits()


def keeper(**pulse: Any) -> CameraKeeper:
    """A camera's keeper over a child that said its last word two seconds ago."""
    child: Any = SimpleNamespace(alive=True, lives=1, why=None, heard_s=100.0)
    engine = EngineKeeper(MODEL, child, ready_life=1)
    now_ns = boottime_ns()
    fields: dict[str, Any] = {"state": CameraState.LIVE, "capture_ns": now_ns, "look_ns": now_ns}
    camera = load(CATALOGUE).cameras[0]
    return CameraKeeper(camera, child, engine, pulse=Pulse(**fields | pulse))


def test_a_model_that_sees_what_has_no_label_says_so_however_late_and_leaves(
    tmp_path: Path,
) -> None:
    """Only what an SSD sees tells how many classes it knows; until then it works."""
    recipe = yaml.safe_load((RECIPES / "haidang-street.yaml").read_text())
    manifest = tmp_path / "few.yaml"
    manifest.write_text(yaml.safe_dump(recipe | {"name": "few", "classes": ["person"]}))
    model = ModelStore(tmp_path / "models").add(RECIPES / recipe["file"], manifest=manifest)
    size = model.manifest.input
    facts = ModelFacts(
        name="few",
        sha256=model.manifest.sha256,
        labels=model.labels,
        width=size.width,
        height=size.height,
        letterbox=False,
    )
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    job = encode(EngineJob(models=str(tmp_path / "models"), model=facts))
    engine = context.Process(target=entry.engine, args=(theirs, job), daemon=True)
    engine.start()
    theirs.close()
    assert FROM_ENGINE.decode(ours.recv_bytes()) == Ready()

    asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slot = os.memfd_create("slot")
    os.ftruncate(slot, size.width * size.height * 3)
    ours.send_bytes(encode(Attach(camera="gate", width=size.width, height=size.height)))
    for descriptor in (answering.fileno(), slot):
        send_handle(ours, descriptor, engine.pid)
    answering.close()
    link = Asking(asking.detach(), slot, width=size.width, height=size.height)
    junction = StreetSettings(view="junction", width=size.width, height=size.height, seed=5)
    street = Street(junction)
    link.pixels[:] = 0
    said = b""
    for t_s in range(20, 400, 4):
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            link.socket.send(struct.pack("<ff", 1.0, 1.0))
            link.socket.recv(65536)
        link.pixels[:] = street.look(float(t_s))[0]
        while ours.poll(0.0) and b"refused" not in said:
            said = ours.recv_bytes()
        if b"refused" in said:
            break
    link.close()
    engine.join(30)
    assert engine.exitcode == 0, "no traceback"
    refused = FROM_ENGINE.decode(said)
    assert isinstance(refused, Refused)
    assert "model few sees class" in str(refused.why)
    assert "its 1 labels count from 0" in str(refused.why)
    ours.close()


def test_a_camera_hangs_when_it_is_quiet_or_does_not_get_on() -> None:
    assert keeper().fault(102.0, LIMITS) is None
    assert str(keeper().fault(111.0, LIMITS)) == "no word for 11 s"
    old_ns = boottime_ns() - 61 * 10**9
    assert "capture" in str(keeper(capture_ns=old_ns).fault(102.0, LIMITS))
    assert "nobody looks" in str(keeper(look_ns=old_ns).fault(102.0, LIMITS))


def test_a_link_is_made_anew_when_either_end_is_new_or_the_camera_stays_blind() -> None:
    camera = keeper()
    assert camera.needs_link(100.0, LIMITS)
    camera.linked, camera.linked_s = (1, 1), 100.0
    assert not camera.needs_link(200.0, LIMITS)
    blind = keeper(blind=because("model.gone"))
    blind.linked, blind.linked_s = (1, 1), 100.0
    assert not blind.needs_link(101.0, LIMITS)
    assert blind.needs_link(104.0, LIMITS)


def test_health_tells_why_a_camera_sees_nothing() -> None:
    blind = keeper(blind=because("model.none"))
    assert (blind.health().why, blind.health().because) == ("no model yet", because("model.none"))
    blind.engine.refused = because("model.refused", why="the model is broken")
    assert blind.health().why == "the model is broken"
    dead = keeper()
    ended = because("child.code", code="3")
    dead.child.alive, dead.child.why = False, ended  # type: ignore[misc]
    health = dead.health()
    assert (health.state, health.why) == (CameraState.DOWN, "its process ended with code 3")
    assert health.because == ended
    assert keeper(frame_ns=boottime_ns() - 2 * 10**9).health().frame_age_s == pytest.approx(
        2, abs=1.5
    )


# --- small parts --------------------------------------------------------------------------------


def test_a_mailbox_holds_the_newest_only() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.put(2)
    assert box.take(1.0) == 2
    assert box.take(0.0) is None
    box.put(3)
    box.close()
    assert box.take(1.0) is None
    assert box.closed


def test_systemd_hears_of_readiness_and_of_progress_as_often_as_it_wants(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notifier = Notifier(
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000000"}
        )
        notifier.ready()
        for now_s in (100.0, 101.0, 109.0, 110.5):
            notifier.progress(now_s)
        notifier.stopping()
        systemd.setblocking(False)
        said = [systemd.recv(100) for _ in range(4)]
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
    assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]
    Notifier({}).ready()


def test_the_board_says_what_it_knows_and_nothing_else(tmp_path: Path) -> None:
    assert board.temperature_c(tmp_path) is None
    assert board.throttled(tmp_path / "none") is None
    for number, text in enumerate(("48500", "51200", "n/a")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(f"{text}\n")
    assert board.temperature_c(tmp_path) == 51.2
    firmware = tmp_path / "throttled"
    for text, now in (("50000", False), ("50005", True)):
        firmware.write_text(text)
        assert board.throttled(firmware) is now


def test_a_message_between_processes_keeps_the_record_as_it_is() -> None:
    told = Told(record=event(), jpeg=b"\xff\xd8", crop=(0.0, 0.0, 1.0, 1.0))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Told) == told
