"""An alarm arrives: whatever is down meanwhile, staff hear of it, and of each as one case."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakes.node_alarms import Ear, alarms_of
from fakes.node_line import Line, kill_whole, revive, wait_for
from fakes.node_process import fill_with_backlog
from fakes.shims import TcpWire
from haidang_cloud.processes import apply
from haidang_protocols.wire.acl import Verb, bridge_acl
from servers import start

pytestmark = pytest.mark.broker

ARRIVES_S = 20.0
"""Generous: a deadline of the test, not the aim; figures are told and measured by the bench."""


@pytest.fixture
def ears() -> Iterator[Callable[[int], Ear]]:
    made: list[Ear] = []

    def make(port: int) -> Ear:
        made.append(Ear(port))
        return made[-1]

    yield make
    for ear in made:
        ear.close()


def running(new_line: Callable[..., Line], settings: dict[str, Any], **options: Any) -> Line:
    """A line with everything that an alarm passes through."""
    line = new_line(**settings, workers=options.pop("workers", 2))
    line.desk()
    line.node(**{"rate": 40.0, "alarm_every": 8, "snapshot_every": 0, **options})
    line.start()
    wait_for(lambda: line.desks[0].said("is up"), "the desk is up")
    return line


def made_now(line: Line, *, for_s: float) -> set[int]:
    """The alarms that are made from now on for a while."""
    since_ns = time.time_ns()
    time.sleep(for_s)
    made = alarms_of(line.notes("n1"), since_ns=since_ns, until_ns=time.time_ns())
    assert made, "alarms were made"
    return made


def late(ear: Ear, made: set[int]) -> float:
    """How long the slowest of them took."""
    first = ear.first()
    return max(first[seq].after_s for seq in made)


def hears(ear: Ear, made: set[int]) -> None:
    wait_for(lambda: made <= ear.first().keys(), "staff hear of every alarm", ARRIVES_S)


def cases_once(ear: Ear, made: set[int]) -> None:
    """Every alarm becomes a case of the centre's, and one record never two."""
    wait_for(lambda: made <= ear.final(), "the centre has them all", 60.0)
    cases: dict[int, set[str]] = {}
    for one in ear.heard:
        cases.setdefault(one.seq, set()).add(one.case)
    assert all(len(found) == 1 for found in cases.values())


def test_an_alarm_arrives_though_a_worker_is_killed(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    ears: Callable[[int], Ear],
    tell: Callable[[object], None],
) -> None:
    ear = ears(broker.port)
    line = running(new_line, embedded)
    quiet = made_now(line, for_s=1.0)
    line.workers[0].kill()
    fault = made_now(line, for_s=2.0)
    hears(ear, quiet | fault)
    tell(f"slowest {late(ear, quiet):.2f} s, with a worker killed {late(ear, fault):.2f} s")
    line.workers[0].start()
    line.finish()
    cases_once(ear, alarms_of(line.notes("n1")))
    line.stop()
    assert not line.account().faults()


@pytest.mark.influx
@pytest.mark.postgres
@pytest.mark.parametrize("down", ["postgres", "influx"])
def test_an_alarm_arrives_though_a_database_is_down(
    new_line: Callable[..., Line],
    own_servers: dict[str, Any],
    broker: start.Server,
    ears: Callable[[int], Ear],
    tell: Callable[[object], None],
    down: str,
) -> None:
    ear = ears(broker.port)
    line = running(new_line, own_servers["settings"])
    apply.run(line.config_path, line.folder / "line.yaml", by="an", why="a test")
    wait_for(lambda: all(w.said("version 1 is in force") for w in line.workers), "version 1")
    server = own_servers["servers"][down]
    kill_whole(server)
    fault = made_now(line, for_s=3.0)
    hears(ear, fault)
    if down == "postgres":
        # nobody is left who read the catalogue from the database
        for worker in line.workers:
            worker.kill()
            worker.start()
        kept = "going on with the catalogue kept, version 1"
        wait_for(lambda: all(worker.said(kept) for worker in line.workers), "workers anew")
        anew = made_now(line, for_s=1.0)
        hears(ear, anew)
        fault |= anew
    told = {seq: one for seq, one in ear.first().items() if seq in fault}
    provisional = sum(one.provisional for one in told.values())
    tell(f"{len(fault)} alarms, {provisional} provisional, slowest {late(ear, fault):.2f} s")
    if down == "postgres":
        assert provisional == len(fault), "nobody could have made a case"
    revive(server)
    line.finish()
    cases_once(ear, alarms_of(line.notes("n1")))
    line.stop()
    assert not line.account().faults()


def bridged(wan: int, port: int) -> str:
    """A site's broker as the centre's rights describe its bridge, on plain wires."""
    ways = {Verb.PUBLISH: "out", Verb.SUBSCRIBE: "in"}
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_inflight_messages 1000",
        "connection c.site.gate",
        f"address 127.0.0.1:{wan}",
        "cleansession true",
        "local_cleansession true",
        "notifications false",
        "keepalive_interval 5",
        "restart_timeout 1 2",
    ]
    lines += [
        f"topic {line.filter} {ways[line.verb]} 1"
        for line in bridge_acl("c", "gate", ("city",))
        if line.verb in ways
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("fault", ["cut", pytest.param("stall", marks=pytest.mark.soak)])
def test_with_the_wan_cut_an_alarm_arrives_on_the_sites_broker(
    new_line: Callable[..., Line],
    new_broker: Callable[..., start.Server],
    embedded: dict[str, Any],
    broker: start.Server,
    ears: Callable[[int], Ear],
    tell: Callable[[object], None],
    fault: str,
) -> None:
    wan = TcpWire(broker.port)
    try:
        port = start.free_port()
        site = new_broker(bridged(wan.port, port), port)
        guard, staff = ears(site.port), ears(broker.port)
        line = running(new_line, embedded, port=site.port, workers=1, alarm_patience_s=1.0)
        quiet = made_now(line, for_s=1.0)
        hears(guard, quiet)
        hears(staff, quiet)
        {"cut": wan.cut, "stall": wan.stall}[fault]()
        alarms = made_now(line, for_s=3.0)
        hears(guard, alarms)
        told = [one for seq, one in guard.first().items() if seq in alarms]
        direct = sum(one.direct for one in told)
        tell(
            f"{len(alarms)} alarms at the guard post, {direct} from the node itself, "
            f"slowest {late(guard, alarms):.2f} s; before {late(guard, quiet):.2f} s"
        )
        assert direct == len(alarms)
        wan.mend()
        line.finish()
        cases_once(staff, alarms_of(line.notes("n1")))
        line.stop()
    finally:
        wan.close()
    assert not line.account().faults()


def test_live_alarms_do_not_wait_for_a_backlog(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    ears: Callable[[int], Ear],
    tell: Callable[[object], None],
) -> None:
    ear = ears(broker.port)
    line = new_line(**embedded, workers=1)
    line.desk()
    node = line.node(rate=40.0, alarm_every=8, snapshot_every=0, backlog_per_s=600.0)
    fill_with_backlog(line.settings["n1"], records=6_000, per_s=10.0)
    for child in (*line.workers, *line.desks):
        child.start()
    wait_for(lambda: all(c.said("is up") for c in (*line.workers, *line.desks)), "the centre")
    node.start()
    wait_for(line.stored, "the backlog goes")
    alarms = made_now(line, for_s=3.0)
    left = len(line.notes("n1").settled) - line.stored()
    hears(ear, alarms)
    tell(f"slowest of {len(alarms)} alarms {late(ear, alarms):.2f} s, {left} records behind them")
    assert left > 1000, "the backlog was there meanwhile"
    line.finish()
    line.stop()
    assert not line.account().faults()
