"""Nodes are told what they are wanted to run: over a real broker, as a node would hear it."""

import threading

import msgspec
import pytest

from fakes.province import TEXT, province
from fakes.relay import Relay
from fakes.teller import FEWER, GATE, MARKET, MARKET_MOVED, MOVED, Ear, Worker, kept, part_of, plain
from haidang_cloud.desired.carrier import Carrier
from haidang_cloud.state import State
from haidang_protocols.wire import messages
from haidang_protocols.wire.desired import Desired
from servers import start
from servers.start import wait_until

pytestmark = pytest.mark.broker


# --- who is told what ---------------------------------------------------------------------------


def test_each_node_finds_its_own_part_and_nothing_of_the_others(
    worker: Worker, broker: start.Server
) -> None:
    worker.publish(3)
    assert worker.teller.wanted()
    worker.teller.tell()
    found = kept(broker.port)
    assert set(found) == {GATE, MARKET}
    gate = part_of(found[GATE])
    assert (gate.node, gate.version) == ("cong-1", 3)
    assert [camera.id for camera in gate.catalogue.cameras] == ["cong-dong"]
    assert b"cho-" not in found[GATE]
    assert part_of(found[MARKET]).catalogue.cameras[0].id == "cho-tay"
    # loopback: whoever is on this machine could sign as well
    desired = messages.decode(found[GATE], Desired)
    assert (desired.certificate, desired.signature) == ("", b"")


def test_it_is_told_once_at_each_version_and_never_before_one_is_published(
    worker: Worker, broker: start.Server
) -> None:
    ear = Ear(broker.port)
    assert not worker.teller.wanted()
    worker.teller.tell()
    worker.publish(1)
    worker.teller.tell()
    assert not worker.teller.wanted()
    worker.publish(2)
    assert worker.teller.wanted()
    worker.teller.tell()
    ear.until(GATE, 1, 2)
    ear.until(MARKET, 1, 2)
    ear.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_is_kept_for_a_node_that_is_no_more(
    small: State, broker: start.Server, *, restarted: bool
) -> None:
    worker = Worker(small, plain(broker.port))
    worker.publish(1)
    worker.teller.tell()
    if restarted:
        worker.close()
        worker = Worker(small, plain(broker.port))
    ear = Ear(broker.port)
    ear.until(MARKET, 1)
    # versions in between came and went while nobody looked
    worker.publish(4, FEWER)
    worker.teller.tell()
    ear.until(MARKET, 1, 0)
    ear.until(GATE, 1, 4)
    assert set(kept(broker.port)) == {GATE}
    worker.publish(5, FEWER)
    worker.teller.tell()
    ear.until(GATE, 1, 4, 5)
    assert ear.numbers(MARKET) == [1, 0], "it is cleared once"
    ear.close()
    worker.close()


def test_a_node_that_moved_hears_so_where_it_listens_until_it_is_no_more(
    worker: Worker, broker: start.Server
) -> None:
    for number, text in enumerate([TEXT, MOVED, MOVED], 1):
        worker.publish(number, text)
        worker.teller.tell()
    found = kept(broker.port)
    assert set(found) == {GATE, MARKET, MARKET_MOVED}
    assert found[MARKET] == found[MARKET_MOVED]
    part = part_of(found[MARKET])
    assert (part.node, part.version, part.catalogue.nodes[0].site) == ("cho-1", 3, "cong")
    worker.publish(4, FEWER)
    worker.teller.tell()
    assert set(kept(broker.port)) == {GATE}


def test_a_node_that_moved_back_hears_its_part_as_any_other(
    worker: Worker, broker: start.Server
) -> None:
    for number, text in enumerate([TEXT, MOVED, TEXT], 1):
        worker.publish(number, text)
        worker.teller.tell()
    found = kept(broker.port)
    assert part_of(found[MARKET]).catalogue.nodes[0].site == "cho"
    assert part_of(found[MARKET_MOVED]).version == 3


def test_a_topic_is_cleared_though_its_telling_was_cut_off(
    small: State, broker: start.Server, relay: Relay
) -> None:
    worker = Worker(small, plain(relay.port))
    worker.publish(1)
    relay.silent = True
    telling = threading.Thread(target=worker.teller.tell, daemon=True)
    telling.start()
    telling.join(1)
    relay.cut()
    telling.join(10)
    # as if the broker had got it in the very last moment, and the worker died of it
    ear = Ear(broker.port)
    ear._client.publish(MARKET, b"{}", qos=1, retain=True)  # noqa: SLF001  # as the worker would
    ear.close()
    worker.line.stop()
    relay.mend()
    other = Worker(small, plain(broker.port), name="2")
    other.publish(2, FEWER)
    other.teller.tell()
    assert set(kept(broker.port)) == {GATE}
    other.close()
    worker.close()


def test_a_part_that_no_broker_carries_is_left_out_with_a_word_and_the_line_holds(
    worker: Worker, broker: start.Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker.publish(1)
    worker.teller.tell()
    # such a one is not published any more, but may have been
    *others, market = province().cameras
    large = msgspec.structs.replace(market, source="b" * 400_000)
    worker.force = (2, msgspec.structs.replace(province(), cameras=(*others, large)))
    worker.teller.tell()
    found = kept(broker.port)
    assert [part_of(found[at]).version for at in (GATE, MARKET)] == [2, 1]
    assert worker.line.generation == 1, "the broker did not end the connection"
    assert "node cho-1 is not told version 2" in caplog.text


# --- when the broker or a worker comes and goes -------------------------------------------------


def test_a_broker_that_forgot_is_told_again(worker: Worker, broker: start.Server) -> None:
    worker.publish(1)
    worker.teller.tell()
    broker.kill()
    wait_until(lambda: not worker.line.up, what="an end of the connection")
    assert not worker.teller.wanted(), "nobody is there to be told"
    broker.start()
    assert kept(broker.port) == {}
    wait_until(worker.teller.wanted, what="the broker again")
    worker.teller.tell()
    assert set(kept(broker.port)) == {GATE, MARKET}


def test_what_the_broker_may_not_have_is_not_taken_as_told(
    small: State, broker: start.Server, relay: Relay
) -> None:
    worker = Worker(small, plain(relay.port))
    worker.publish(1)
    relay.silent = True
    telling = threading.Thread(target=worker.teller.tell, daemon=True)
    telling.start()
    telling.join(1)
    assert telling.is_alive(), "the broker has not said that it has them"
    relay.cut()
    telling.join(10)
    assert not telling.is_alive()
    relay.mend()
    wait_until(worker.teller.wanted, what="the broker again, and news for it")
    worker.teller.tell()
    assert not worker.teller.wanted()
    assert set(kept(broker.port)) == {GATE, MARKET}
    worker.close()


def test_a_worker_that_is_asked_to_end_waits_for_no_broker(small: State, relay: Relay) -> None:
    worker = Worker(small, plain(relay.port))
    worker.publish(1)
    relay.silent = True
    telling = threading.Thread(target=worker.teller.tell, daemon=True)
    telling.start()
    worker.line.stop()
    telling.join(5)
    assert not telling.is_alive()
    relay.mend()
    worker.close()


def test_a_connection_that_came_back_is_another_one(worker: Worker, broker: start.Server) -> None:
    carrier = Carrier(worker.line)
    assert carrier.say(GATE, b"1")
    assert carrier.through()
    broker.kill()
    wait_until(lambda: not worker.line.up, what="an end of the connection")
    assert carrier.say(GATE, b"2")
    broker.start()
    wait_until(lambda: worker.line.up, what="the broker again")
    assert not carrier.through()


def test_no_more_than_a_hundred_messages_stand_before_a_case(
    worker: Worker, broker: start.Server
) -> None:
    carrier = Carrier(worker.line)
    broker.kill()
    wait_until(lambda: not worker.line.up, what="an end of the connection")
    assert [carrier.say(GATE, b"x") for _ in range(101)] == [True] * 100 + [False]
