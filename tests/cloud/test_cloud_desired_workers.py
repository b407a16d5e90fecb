"""Several workers of a centre: one tells nodes, none tells an older version after a newer."""

import time

import pytest

from fakes.relay import Relay
from fakes.teller import GATE, MARKET, Ear, Worker, kept, part_of, plain, settings_of
from haidang_cloud.state import State, told
from servers import start
from servers.secure import SecureBroker
from servers.start import wait_until

pytestmark = pytest.mark.broker


def brief(state: State, port: int, name: str, *, lease_s: float = 0.6) -> Worker:
    """A worker whose lease ends soon."""
    return Worker(state, plain(port), name=name, lease_s=lease_s, look_s=0.1)


def test_of_many_workers_one_tells_each_version_once(small: State, broker: start.Server) -> None:
    # real leases, many times as short: who tells must keep its own
    workers = [brief(small, broker.port, name) for name in "123"]
    ear = Ear(broker.port)
    for worker in workers:
        worker.start(1)
    ear.until(GATE, 1)
    time.sleep(2)
    assert ear.numbers(GATE) == [1], "three leases long nobody told it again"
    for worker in workers:
        worker.publish(2)
    ear.until(GATE, 1, 2)
    time.sleep(1)
    assert ear.numbers(GATE) == [1, 2]
    ear.close()
    for worker in workers:
        worker.leave()


def test_a_worker_keeps_its_lease_while_it_tells(small: State, broker: start.Server) -> None:
    one = brief(small, broker.port, "1")
    two = brief(small, broker.port, "2")
    ear = Ear(broker.port)
    one.slow_s = 0.5
    one.start(1)
    wait_until(lambda: told.read(small, "tinh").number == 1, what="a beginning")
    two.start(1)
    ear.until(MARKET, 1)
    time.sleep(0.3)
    assert ear.numbers(GATE) == [1]
    ear.close()
    one.leave()
    two.leave()


def test_a_version_that_came_meanwhile_is_told_in_its_place(
    worker: Worker, broker: start.Server
) -> None:
    ear = Ear(broker.port)
    worker.slow_s = 0.5
    worker.start(1)
    ear.until(GATE, 1)
    worker.publish(2)
    ear.until(GATE, 1, 2)
    ear.until(MARKET, 2)
    ear.close()


@pytest.mark.parametrize("way", ["asked", "cut"])
def test_another_worker_takes_over_and_tells_once(
    small: State, broker: start.Server, way: str
) -> None:
    one = brief(small, broker.port, "1", lease_s=1.5)
    two = brief(small, broker.port, "2", lease_s=1.5)
    ear = Ear(broker.port)
    one.start(1)
    ear.until(GATE, 1)
    two.start(1)
    if way == "asked":
        one.leave()
    else:
        one.close()
    began_s = time.monotonic()
    ear.until(GATE, 1, 1)
    assert (time.monotonic() - began_s > 0.7) == (way == "cut")
    time.sleep(2)
    assert ear.numbers(GATE) == [1, 1]
    ear.close()
    two.leave()


def test_a_worker_whose_line_is_down_leaves_it_to_another(
    small: State, broker: start.Server, relay: Relay
) -> None:
    one = brief(small, relay.port, "1")
    two = brief(small, broker.port, "2")
    ear = Ear(broker.port)
    one.start(1)
    ear.until(GATE, 1)
    two.start(1)
    relay.cut()
    ear.until(GATE, 1, 1)
    relay.mend()
    wait_until(lambda: one.line.up, what="the line again")
    time.sleep(1)
    assert ear.numbers(GATE) == [1, 1], "who is back does not tell: another one answers for it"
    ear.close()
    one.leave()
    two.leave()


@pytest.mark.parametrize("first", ["older", "newer"])
def test_a_worker_of_an_older_haidang_puts_no_older_version_in_the_place_of_a_newer(
    small: State, broker: start.Server, first: str
) -> None:
    # it could not read version 2, and its last good one stays
    older = brief(small, broker.port, "1")
    newer = brief(small, broker.port, "2")
    ear = Ear(broker.port)
    if first == "older":
        older.start(1)
        ear.until(GATE, 1)
        newer.start(2)
        ear.until(GATE, 1, 2)
    else:
        newer.start(2)
        ear.until(GATE, 2)
        older.start(1)
    told = ear.numbers(GATE)
    time.sleep(1)
    assert ear.numbers(GATE) == told, "the lease of the older one stands in no newer one's way"
    newer.leave()
    time.sleep(1)
    assert ear.numbers(GATE) == told, "it is not told though nobody else is there"
    assert part_of(kept(broker.port)[GATE]).version == 2
    ear.close()
    older.leave()


def test_a_newer_version_is_told_again_where_an_older_one_came_late(
    small: State, broker: start.Server, relay: Relay
) -> None:
    slow = brief(small, relay.port, "1")
    quick = brief(small, broker.port, "2")
    relay.silent = True
    time.sleep(0.2)  # what it is passing on now
    slow.start(1)
    wait_until(lambda: told.read(small, "tinh").number == 1, what="a beginning")
    ear = Ear(broker.port)
    quick.start(2)
    ear.until(GATE, 2)
    # what is on its way is sent again when the line is back
    relay.cut()
    relay.mend()
    wait_until(lambda: 1 in ear.numbers(GATE), what="the older version")
    wait_until(lambda: ear.numbers(GATE)[-1] == 2, what="the newer one again")
    time.sleep(1)
    assert part_of(kept(broker.port)[GATE]).version == 2
    ear.close()
    slow.leave()
    quick.leave()


def test_who_cannot_sign_leaves_it_to_another_worker(
    small: State, secure: SecureBroker, broker: start.Server
) -> None:
    bad = Worker(small, settings_of(secure), name="1", look_s=0.1)
    other = Worker(small, plain(broker.port), name="2", look_s=0.1)
    secure.key("tinh.worker.1").unlink()
    jobs = bad.start(1)
    wait_until(lambda: jobs.trouble, what="trouble")
    ear = Ear(broker.port)
    other.start(1)
    ear.until(GATE, 1)
    ear.close()
    bad.leave()
    other.leave()
