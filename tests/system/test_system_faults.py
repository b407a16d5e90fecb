"""Nothing lost, nothing doubled: real processes, killed at the worst moments.

The short form of each schedule runs with every test run, the long one by `make soak`.
"""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from fakes.node_accounts import Account
from fakes.node_line import Line, kill_whole, revive
from fakes.shims import TcpWire
from servers import start

pytestmark = pytest.mark.broker

Tell = Callable[[object], None]


def settled(line: Line, node: str = "n1") -> int:
    return len(line.notes(node).settled)


def workers_down_then_broker_killed(
    line: Line, broker: start.Server, *, hung: bool, down_s: float = 2.0
) -> Account:
    """The schedule that shows whose word the node takes.

    The workers go while the node sends, the broker takes what they no longer do, then it dies with
    all of it in its memory; in the end all are there again.
    """
    line.start()
    for worker in line.workers:
        if hung:
            worker.signal(signal.SIGSTOP)
        else:
            worker.kill()
    at = settled(line)
    time.sleep(down_s)
    assert settled(line) > at + 50, "the node goes on while nobody stores"
    broker.kill()
    time.sleep(0.3)
    for worker in line.workers:
        worker.kill()
    broker.start()
    for worker in line.workers:
        worker.start()
    line.finish()
    line.stop()
    return line.account()


@pytest.mark.parametrize(
    "hung",
    [
        pytest.param(False, id="killed"),
        # the same on PostgreSQL and InfluxDB is in every run
        pytest.param(True, id="hung", marks=pytest.mark.soak),
    ],
)
def test_workers_down_then_the_broker_killed_loses_nothing(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    tell: Tell,
    hung: bool,
) -> None:
    line = new_line(**embedded)
    line.node(rate=400.0)
    found = workers_down_then_broker_killed(line, broker, hung=hung)
    tell(found)
    assert not found.faults()
    assert found.settled > 1000


@pytest.mark.influx
@pytest.mark.postgres
def test_the_same_on_postgresql_and_influxdb(
    new_line: Callable[..., Line], real: dict[str, Any], broker: start.Server, tell: Tell
) -> None:
    line = new_line(**real)
    line.node(rate=400.0)
    line.node("n2", rate=100.0)
    found = workers_down_then_broker_killed(line, broker, hung=True)
    other = line.account("n2")
    tell(f"{found}; the other node: {other}")
    assert not found.faults()
    assert not other.faults()


def test_a_node_that_trims_on_the_brokers_word_is_found_out(
    new_line: Callable[..., Line], embedded: dict[str, Any], broker: start.Server, tell: Tell
) -> None:
    """The same schedule, the same account: it can fail, and fails for whom it should."""
    line = new_line(**embedded)
    line.node(rate=400.0, trim_on_puback=True)
    found = workers_down_then_broker_killed(line, broker, hung=True)
    tell(found)
    assert len(found.lost) > 100
    assert not found.doubled
    assert not found.changed
    assert not found.series, "what did come came right"


def test_a_wan_that_fails_in_the_middle_loses_nothing(
    new_line: Callable[..., Line], embedded: dict[str, Any], broker: start.Server, tell: Tell
) -> None:
    wan = TcpWire(broker.port)
    try:
        line = new_line(**embedded, workers=1)
        line.node(rate=300.0, port=wan.port)
        line.start()
        waiting = []
        for fail in (wan.cut, wan.half_open, wan.stall):
            fail()
            time.sleep(2.0)
            waiting.append(settled(line) - line.stored())
            wan.mend()
            time.sleep(1.0)
        line.finish()
        line.stop()
    finally:
        wan.close()
    found = line.account()
    tell(f"{found}; at the end of each fault {waiting} waited in the spool")
    assert max(waiting) > 200, "the faults were felt"
    assert not found.faults()


def test_a_slow_wire_gets_no_slower_by_second_copies(
    new_line: Callable[..., Line], embedded: dict[str, Any], broker: start.Server, tell: Tell
) -> None:
    wan = TcpWire(broker.port)
    try:
        line = new_line(**embedded, workers=1)
        line.node(rate=150.0, port=wan.port)
        line.start()
        wan.slice(400, pause_s=0.02)  # 20 kB/s, half of what the node makes
        time.sleep(4.0)
        line.finish(timeout_s=90.0)
        line.stop()
    finally:
        wan.close()
    found = line.account()
    tell(found)
    assert not found.faults()
    assert found.redelivered < found.stored / 2


# --- kills at random ------------------------------------------------------------------------------


@dataclass
class Chaos:
    """Kills one of its parts, waits, starts it again, and so on."""

    rnd: random.Random
    parts: dict[str, tuple[Callable[[], None], Callable[[], None]]]
    kills: dict[str, int] = field(default_factory=dict)

    def run(self, for_s: float) -> None:
        """Until the time is up; then all parts are there again."""
        until_s = time.monotonic() + for_s
        turn: list[str] = []
        while time.monotonic() < until_s:
            time.sleep(self.rnd.uniform(0.3, 1.5))
            if len(turn) < 2:
                turn += self.rnd.sample(sorted(self.parts), len(self.parts))
            # now and then two at once
            for name in {turn.pop(0) for _ in range(self.rnd.choice((1, 1, 2)))}:
                self.kills[name] = self.kills.get(name, 0) + 1
                self.parts[name][0]()
            time.sleep(self.rnd.uniform(0.05, 1.0))
            for name in self.parts:
                self.parts[name][1]()


def chaos_over(
    line: Line, broker: start.Server, servers: dict[str, start.Server], seed: int
) -> Chaos:
    """Everything that can be killed: each worker, each node, the broker, the databases."""
    chaos = Chaos(random.Random(seed), {})
    for name, server in {"broker": broker, **servers}.items():
        chaos.parts[name] = (partial(kill_whole, server), partial(revive, server))
    for child in line.children():
        chaos.parts[child.log.stem] = (child.kill, child.revive)
    return chaos


def killed_at_random(
    line: Line, broker: start.Server, servers: dict[str, start.Server], *, seed: int, for_s: float
) -> tuple[Account, Chaos]:
    line.start()
    chaos = chaos_over(line, broker, servers, seed)
    chaos.run(for_s)
    line.finish(timeout_s=180.0)
    line.stop()
    return line.account(), chaos


@pytest.mark.influx
@pytest.mark.postgres
def test_kills_at_random_lose_and_double_nothing(
    new_line: Callable[..., Line],
    own_servers: dict[str, Any],
    broker: start.Server,
    tell: Tell,
) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    line = new_line(**own_servers["settings"])
    line.node(rate=150.0)
    found, chaos = killed_at_random(line, broker, own_servers["servers"], seed=seed, for_s=15.0)
    tell(f"seed {seed}, kills {chaos.kills}: {found}")
    assert not found.faults(), f"seed {seed}"


@pytest.mark.soak
@pytest.mark.influx
@pytest.mark.postgres
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kills_at_random_for_two_minutes(
    new_line: Callable[..., Line],
    own_servers: dict[str, Any],
    broker: start.Server,
    tell: Tell,
    seed: int,
) -> None:
    line = new_line(**own_servers["settings"])
    line.node(rate=150.0)
    found, chaos = killed_at_random(line, broker, own_servers["servers"], seed=seed, for_s=120.0)
    tell(f"seed {seed}, kills {chaos.kills}: {found}")
    assert not found.faults()
