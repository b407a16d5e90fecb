"""Two workers in one group, on each pair of databases: nothing is lost, nothing comes twice."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.room import Room, until
from fakes.sender import Sender, envelope, event
from haidang_cloud.state import State
from haidang_cloud.timeseries import TimeSeries
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.seqset import SeqSet
from servers import start

pytestmark = pytest.mark.broker

LAST = 2400


@pytest.fixture
def room(
    tmp_path: Path, broker: start.Server, state: State, series: TimeSeries, minimal: Catalogue
) -> Iterator[Room]:
    made = Room(tmp_path, broker.port, state, series, minimal)
    yield made
    made.close()
    series.drop(made.bucket)
    assert made.errors == []


def test_two_workers_lose_nothing_and_double_nothing(room: Room, broker: start.Server) -> None:
    for name in ("w1", "w2"):
        room.work(name)
    senders = [Sender(broker.port), Sender(broker.port)]
    # every batch goes out twice, in its own order, cut in its own way, by two senders at once
    payloads: list[list[bytes]] = []
    for seed, step in ((1, 20), (2, 16)):
        batches = [range(n, min(n + step, LAST + 1)) for n in range(1, LAST + 1, step)]
        random.Random(seed).shuffle(batches)
        payloads.append([envelope([(n, event(n, alarm=n % 600 == 0)) for n in b]) for b in batches])
    for first, second in zip(*payloads, strict=False):
        senders[0].post([first])
        senders[1].post([second])
    for sender, left in zip(senders, payloads, strict=True):
        sender.post(left[min(map(len, payloads)) :])
    until(lambda: senders[0].upto() == LAST, "watermark", 60)
    until(lambda: len(senders[0].stored()) == LAST, "no holes")
    for sender in senders:
        sender.close()
    assert room.ledger() == SeqSet([(1, LAST)])
    assert room.points() == LAST
    assert room.rolled() == list(range(1, LAST + 1))
    assert sorted(int(a.record_id.rpartition(".")[2]) for a in room.alarms()) == [
        600,
        1200,
        1800,
        2400,
    ]
    writers = {path.name.partition("-")[0] for path in room.lake.archive_folder.iterdir()}
    assert writers == {"w1", "w2"}, "both had their share"
