"""The time series from the lake: every point again, beside a worker, as often as one likes."""

import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.desk import Desk
from fakes.room import until
from fakes.sender import START, Sender, envelope, event, events
from haidang_cloud.lake import Lake, Roller
from haidang_cloud.processes.catalogue import in_force_now
from haidang_cloud.processes.config import load_config, series_of
from haidang_cloud.state import open_state
from haidang_cloud.timeseries import Point, TimeSeries
from haidang_cloud.timeseries.projection import project
from haidang_protocols.command import main
from haidang_protocols.wire import messages
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState
from haidang_protocols.wire.records import (
    Gap,
    LineCount,
    Observation,
    Record,
    RecordClass,
    ZoneCount,
)
from haidang_protocols.wire.topics import NodeLeaf
from servers import start

pytestmark = pytest.mark.broker

RECORDS = ("event", "observation", "crossing", "gap")
HEALTH = ("node", "camera")
Points = dict[str, list[Point]]


@pytest.fixture(params=["sqlite", pytest.param("influx", marks=pytest.mark.influx)])
def desk(request: pytest.FixtureRequest, tmp_path: Path, broker: start.Server) -> Iterator[Desk]:
    made = Desk(tmp_path / "desk", f"sqlite:///{tmp_path / 'state.sqlite'}")
    made.configure(broker={"host": "127.0.0.1", "port": broker.port, "plain": True})
    if request.param == "influx":
        server: start.Influx = request.getfixturevalue("influx")
        server.empty()
        (made.folder / "token").write_text(server.token)
        found = {"kind": "influx", "url": server.url, "org": server.org, "token_file": "token"}
        made.configure(timeseries=found)
    made.apply()
    yield made
    made.close()


@pytest.fixture
def series(desk: Desk) -> Iterator[TimeSeries]:
    opened = series_of(load_config(desk.config_path))
    yield opened
    for bucket in buckets():
        opened.drop(bucket)
    opened.close()


def buckets() -> tuple[str, ...]:
    return ("demo-private", "demo-scope-centre", "demo-scope-city")


def everything(series: TimeSeries, measurements: tuple[str, ...] = RECORDS) -> Points:
    """Every point of every bucket, in an order of its own."""
    return {
        f"{bucket} {name}": sorted(
            series.read(bucket, name), key=lambda p: (p.t, sorted(p.tags.items()))
        )
        for bucket in buckets()
        for name in measurements
    }


def of_many_kinds(seed: int, count: int) -> list[tuple[int, Record]]:
    """Records of every kind, awkward words and unknown zones among them."""
    rnd = random.Random(seed)
    records: list[tuple[int, Record]] = []
    for seq in range(1, count + 1):
        zone = rnd.choice(["yard", "yard", "unknown", ""])
        if seq % 5 == 0:
            counts = tuple(
                ZoneCount(zone=z, cls="person", mean=rnd.random() * 3, max=rnd.randrange(9))
                for z in ("yard", "")
            )
            crossings = (LineCount(line="door", cls="car", forward=seq, backward=1),)
            records.append(
                (
                    seq,
                    Observation(
                        t=START + seq,
                        camera="gate-east",
                        interval_s=60.0,
                        frames=seq,
                        counts=counts if seq % 10 else (),
                        crossings=crossings if seq % 15 == 0 else (),
                    ),
                )
            )
        elif seq % 17 == 0:
            gap = Gap(
                t=START + seq, ranges=((seq - 1, seq - 1),), cls=RecordClass.EVENT, reason='"full"'
            )
            records.append((seq, gap))
        else:
            records.append(
                (
                    seq,
                    event(
                        seq,
                        zone=zone,
                        alarm=seq % 50 == 0,
                        score=rnd.random(),
                        track=seq,
                        box=(0.1, rnd.random(), 1.0, 1e-05),
                        event=f'e "{seq}" \\ phường, a=b',
                        synced=bool(seq % 3),
                    ),
                )
            )
    return records


def beat() -> bytes:
    return messages.encode(
        messages.Heartbeat(
            at=START,
            clock=ClockState(boot="b", mono=1, wall=START, synced=True),
            cameras=(CameraHealth(id="gate-east", state=CameraState.LIVE),),
        )
    )


def projected(desk: Desk, series: TimeSeries) -> None:
    config = load_config(desk.config_path)
    state = open_state(config.state)
    project(state, series, in_force_now(state, config, lambda catalogue, _: catalogue))
    state.close()


def rebuild(desk: Desk, *words: str) -> int:
    return main(["cloud", "rebuild", "--config", str(desk.config_path), *words])


def send_all(sender: Sender, records: list[tuple[int, Record]], step: int = 40) -> None:
    for at in range(0, len(records), step):
        sender.send(envelope(records[at : at + step]))
    until(lambda: records[-1][0] in sender.stored(), "watermark")


def test_every_point_again_after_the_buckets_are_gone(
    desk: Desk, series: TimeSeries, broker: start.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = desk.start("cloud", "ingest")
    sender = Sender(broker.port)
    until(lambda: ("w1", True) in sender.ingest, "worker up")
    records = of_many_kinds(1, 400)
    send_all(sender, records[:200])
    # a zone that was unknown is known to what comes later, and to nothing that came before
    corner = "{id: unknown, name: {vi: Góc}, polygon: [[0, 0], [1, 0], [1, 1]]}"
    desk.change("- {id: yard, name", f"- {corner}\n      - {{id: yard, name")
    desk.apply()
    until(lambda: "version 2 is in force" in worker.log.read_text(), "version 2")
    sender.send(envelope([(401, event(401, camera="nowhere"))]))
    send_all(sender, records[200:])
    sender.send(beat(), leaf=NodeLeaf.HEARTBEAT)
    until(lambda: series.count("demo-private", "node", "spool_depth") == 1, "heartbeat")
    assert desk.end(worker) == 0
    sender.close()
    projected(desk, series)
    before = everything(series)
    assert {"other", "unknown"} <= {p.tags.get("zone") for p in before["demo-private event"]}
    assert before["demo-scope-city event"] == before["demo-private event"]
    assert before["demo-scope-city observation"] == []
    for bucket in buckets():
        series.drop(bucket)
    assert rebuild(desk) == 0
    assert "--yes" in capsys.readouterr().out
    assert rebuild(desk, "--yes") == 0
    assert "400 records made again, 0 points were refused" in capsys.readouterr().out
    assert everything(series) == before
    assert rebuild(desk, "--yes") == 0
    assert everything(series) == before


@pytest.mark.influx
@pytest.mark.parametrize("desk", ["influx"], indirect=True)
def test_what_is_rolled_and_what_is_not_both_come_and_health_is_left_alone(
    desk: Desk, series: TimeSeries, broker: start.Server
) -> None:
    worker = desk.start("cloud", "ingest")
    sender = Sender(broker.port)
    until(lambda: ("w1", True) in sender.ingest, "worker up")
    sender.send(beat(), leaf=NodeLeaf.HEARTBEAT)
    records = of_many_kinds(2, 300)
    send_all(sender, records[:150])
    roll(desk)
    send_all(sender, records[150:])
    projected(desk, series)
    before, health = everything(series), everything(series, HEALTH)
    assert len(health["demo-scope-city camera"]) == 1
    # beside a worker that takes more all the time
    rebuilding = desk.start("cloud", "rebuild", "--yes")
    last = 300
    while rebuilding.popen.poll() is None:
        sender.send(events(last + 1, last + 10))
        last += 10
        time.sleep(0.1)
    assert rebuilding.popen.returncode == 0
    until(lambda: sender.upto() == last, "watermark")
    assert desk.end(worker) == 0
    sender.close()
    after = everything(series)
    for name, points in before.items():
        told = {repr(point) for point in after[name]}
        assert all(repr(point) in told for point in points)
    assert len(after["demo-private event"]) == len(before["demo-private event"]) + last - 300
    assert everything(series, HEALTH) == health


def roll(desk: Desk) -> None:
    config = load_config(desk.config_path)
    state = open_state(config.state)
    lake = Lake(Path(config.lake), state, centre="demo", time_zone="Asia/Ho_Chi_Minh")
    Roller(lake, holder=secrets.token_hex(4)).roll()
    state.close()
