"""Dead letters replayed: judged again by the catalogue in force, stored once, told what is left."""

import re
from collections.abc import Iterator

import pytest

from fakes.desk import Desk
from fakes.sender import SPOOL, START, envelope, event
from haidang_cloud.errors import StoreUnavailableError
from haidang_cloud.ingest import Directory, Judge
from haidang_cloud.ingest.replay import replay
from haidang_cloud.ingest.taken import Taken
from haidang_cloud.lake import Lake, Roller
from haidang_cloud.people import audit
from haidang_cloud.processes.catalogue import in_force_now
from haidang_cloud.processes.config import load_config
from haidang_cloud.processes.stores import stores_of
from haidang_cloud.state import State, deadletter, ledger, open_state, outbox
from haidang_cloud.timeseries import SqliteSeries
from haidang_protocols.command import main
from haidang_protocols.wire import topics
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot
from haidang_protocols.wire.topics import NodeLeaf

NOW = START + 10**9


class Centre:
    """A desk whose stores a test looks into; `receive` is a worker's receipt, in short."""

    def __init__(self, desk: Desk, state: State) -> None:
        self.desk, self.state = desk, state
        self.config = load_config(desk.config_path)

    def receive(self, payload: bytes, leaf: NodeLeaf, tail: str | None = None) -> list[str]:
        taken = Taken()
        text = topics.node_topic("demo", "gate", "gate-1", leaf, tail)
        topic = topics.parse(text)
        assert isinstance(topic, topics.NodeTopic)
        directory = in_force_now(self.state, self.config, Directory)
        Judge(directory).take(taken, topic, text, payload, NOW)
        ledger.commit(self.state, "demo", taken.stored, dead=taken.letters, now_ns=NOW)
        return [letter.reason for letter in taken.letters]

    def command(self, *words: str) -> int:
        return main(["cloud", "deadletter", *words, "--config", str(self.desk.config_path)])

    def letters(self) -> list[deadletter.Kept]:
        return deadletter.find(self.state, "demo")

    def points(self) -> int:
        series = SqliteSeries(self.desk.folder / "series.sqlite")
        try:
            return series.count("demo-private", "event", "id")
        finally:
            series.close()

    def rolled(self) -> list[int]:
        folder = self.desk.folder / "lake"
        lake = Lake(folder, self.state, centre="demo", time_zone="Asia/Ho_Chi_Minh")
        Roller(lake, holder="test").roll()
        return [row.seq for row in lake.rows()]

    def alarms(self) -> list[str]:
        with self.state.read() as connection:
            return [alarm.record_id for alarm in outbox.waiting(connection, "demo")]

    def second_camera(self) -> None:
        path = self.desk.catalogue / "centre.yaml"
        text = path.read_text()
        begin = text.index("  - id: gate-east")
        path.write_text(text + text[begin:].replace("gate-east", "gate-west"))
        self.desk.apply()


@pytest.fixture
def centre(tmp_path_factory: pytest.TempPathFactory, state_url: str) -> Iterator[Centre]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "d", state_url)
    desk.apply()
    state = open_state(state_url)
    yield Centre(desk, state)
    state.close()


def test_a_camera_that_was_unknown_is_stored_once_the_catalogue_knows_it(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [(n, event(n, camera="gate-west", alarm=n == 2)) for n in (1, 2)]
    assert centre.receive(envelope(sent), NodeLeaf.RECORDS) == ["unknown_camera"] * 2
    assert centre.command("replay", "--by", "an") == 1
    assert "0 taken, 2 still refused" in capsys.readouterr().out
    assert len(centre.letters()) == 2
    centre.second_camera()
    assert centre.command("replay", "--by", "an", "--reason", "unknown_camera") == 0
    assert "2 taken, 0 still refused" in capsys.readouterr().out
    assert centre.letters() == []
    assert centre.points() == 2
    assert centre.rolled() == [1, 2]
    assert centre.alarms() == [f"gate-1.{SPOOL}.2"]
    assert centre.command("replay", "--by", "an") == 0
    assert centre.points() == 2
    assert centre.rolled() == [1, 2]
    lines = [line for line in audit.newest(centre.state, "demo") if line.action.startswith("dead")]
    assert [line.actor for line in lines] == ["an", "an"]


def test_replayed_again_by_its_number_a_letter_says_so(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    centre.receive(envelope([(1, event(1, camera="gate-west"))]), NodeLeaf.RECORDS)
    centre.second_camera()
    (letter,) = centre.letters()
    words = ("replay", "--by", "an", "--id", str(letter.id))
    assert centre.command(*words) == 0
    assert centre.command(*words) == 1
    assert "replayed before" in capsys.readouterr().out
    assert centre.command("replay", "--by", "an", "--id", "99") == 2
    assert "no such letter" in capsys.readouterr().err


def test_a_snapshot_and_a_whole_envelope_are_replayed_too(centre: Centre) -> None:
    record = f"gate-1.{SPOOL}.1"
    header = SnapshotHeader(
        spool=SPOOL, seq=2, record=record, camera="gate-west", t=START, crop=(0, 0, 1, 1)
    )
    assert centre.receive(encode_snapshot(header, b"\xff\xd8jpeg"), NodeLeaf.SNAPSHOT, record) == [
        "unknown_camera"
    ]
    new = envelope([(3, event(3)), (4, event(4, camera="nowhere"))]).replace(b'"v":1', b'"v":9')
    assert centre.receive(new, NodeLeaf.RECORDS) == ["version"]
    assert centre.command("replay", "--by", "an") == 1
    centre.second_camera()
    assert centre.command("replay", "--by", "an", "--reason", "unknown_camera") == 0
    with stores_of(centre.config, centre.state, worker="replay") as stores:
        assert stores.blobs.open(record, actor="x", why="", now_ns=NOW) == b"\xff\xd8jpeg"
        # as though this version of Haidang had learnt to read that one
        (letter,) = centre.letters()
        readable = deadletter.Letter(
            centre="demo",
            topic=letter.topic,
            reason="version",
            message="",
            payload=new.replace(b'"v":9', b'"v":1'),
            at_ns=NOW,
        )
        deadletter.keep(centre.state, [readable])
        directory = in_force_now(centre.state, centre.config, Directory)
        found = list(replay(stores, directory, centre.letters(), by="an"))
    assert [(f.taken, f.letter.reason) for f in found] == [(False, "version"), (True, "version")]
    assert re.search("1 of its records", found[1].why)
    assert [(x.reason, x.seq) for x in centre.letters()] == [("version", 0), ("unknown_camera", 4)]
    assert centre.rolled() == [3]
    assert 3 in ledger.read(centre.state, "demo")[ledger.SpoolKey("gate-1", SPOOL, "gate")]


def test_a_store_that_is_away_leaves_the_letter_as_it_was(centre: Centre) -> None:
    centre.receive(envelope([(1, event(1, camera="gate-west"))]), NodeLeaf.RECORDS)
    centre.second_camera()
    with stores_of(centre.config, centre.state, worker="replay") as stores:
        stores.series.close()
        (centre.desk.folder / "series.sqlite").unlink()
        (centre.desk.folder / "series.sqlite").mkdir()
        directory = in_force_now(centre.state, centre.config, Directory)
        with pytest.raises(StoreUnavailableError):
            list(replay(stores, directory, centre.letters(), by="an"))
    assert len(centre.letters()) == 1


def test_letters_are_listed_and_shown(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        centre.receive(b"poison %d" % n, NodeLeaf.RECORDS)
    centre.receive(envelope([(1, event(1, camera="gate-west"))]), NodeLeaf.RECORDS)
    assert centre.command("list") == 0
    out = capsys.readouterr().out
    assert out.count("  malformed  ") == 3
    assert "gate-1 seq 1" in out
    assert out.endswith("4 letters\n")
    assert centre.command("list", "--reason", "unknown_camera") == 0
    assert capsys.readouterr().out.endswith("1 letters\n")
    assert centre.command("show", "--reason", "malformed") == 0
    out = capsys.readouterr().out
    assert "poison 2" in out
    assert "haidang/v1/demo/node/gate/gate-1/records" in out
    assert centre.command("replay") == 2
    assert "--by" in capsys.readouterr().err
