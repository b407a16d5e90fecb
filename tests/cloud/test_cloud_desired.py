"""Nodes are told what they are wanted to run: over a real broker, as a node would hear it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from paho.mqtt.enums import CallbackAPIVersion

from fakes.province import TEXT, province
from fakes.relay import Relay
from fakes.versions import publish
from haidang_cloud.broker import BrokerSettings, Line
from haidang_cloud.desired import DesiredTeller, seal_of
from haidang_cloud.desired.carrier import Carrier
from haidang_cloud.desired.teller import LEASE_S, LOOK_S
from haidang_cloud.errors import CloudConfigError
from haidang_cloud.processes.jobs import Job, Jobs
from haidang_cloud.state import State, open_state, told
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.part import NodePart, decode_part
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.topics import NodeLeaf
from servers import start
from servers.secure import SecureBroker, secure_broker
from servers.speaker import Speaker
from servers.start import wait_until

pytestmark = pytest.mark.broker
HAIDANG = Path(sys.executable).parent / "haidang"
MOVED = TEXT.replace("{id: cho-1, site: cho}", "{id: cho-1, site: cong}")
FEWER = TEXT.replace("  - {id: cho-1, site: cho}\n", "").replace("node: cho-1", "node: cong-1")


def topic(site: str, node: str) -> str:
    return topics.node_topic("tinh", site, node, NodeLeaf.DESIRED)


GATE, MARKET = topic("cong", "cong-1"), topic("cho", "cho-1")
MARKET_MOVED = topic("cong", "cho-1")


class Ear:
    """Hears what all nodes are told; what was kept for it comes first."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(10)

    def _connected(self, *_: object) -> None:
        self._client.subscribe("haidang/v1/#", qos=1)

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def numbers(self, at: str) -> list[int]:
        """The versions that a node heard, 0 where it was told that there is none."""
        return [part_of(payload).version if payload else 0 for t, payload in self.heard if t == at]

    def until(self, at: str, *numbers: int) -> None:
        wait_until(lambda: self.numbers(at) == list(numbers), what=f"{numbers} at {at}")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def kept(port: int) -> dict[str, bytes]:
    """What the broker keeps for nodes that come now, by topic."""
    ear = Ear(port)
    ear._client.publish("haidang/v1/end", b"", qos=1)  # noqa: SLF001  # it comes after all of them
    wait_until(lambda: ("haidang/v1/end", b"") in ear.heard, what="all that is kept")
    ear.close()
    return dict(ear.heard[:-1])


def part_of(payload: bytes) -> NodePart:
    return decode_part(messages.decode(payload, Desired).body)


class Worker:
    """The part of a worker that tells nodes; `force` is the catalogue in force."""

    def __init__(
        self,
        state: State,
        broker: BrokerSettings,
        *,
        name: str = "1",
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.force: tuple[int, Catalogue] = (0, province())
        self.slow_s = 0.0
        self.name, self._state = name, state
        self._jobs: Jobs | None = None
        self.line = Line(broker, client_id=f"tinh.worker.{name}")
        self.teller = DesiredTeller(
            self.line,
            state,
            broker,
            centre="tinh",
            holder=name,
            in_force=self._in_force,
            lease_s=lease_s,
            look_s=look_s,
        )
        self._thread = threading.Thread(target=self.line.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.line.up, what="the broker")

    def _in_force(self) -> tuple[int, Catalogue]:
        time.sleep(self.slow_s)  # it is asked before each message
        return self.force

    def publish(self, number: int, text: str = TEXT) -> None:
        self.force = (number, province(text))

    def start(self, number: int, text: str = TEXT) -> Jobs:
        """Tell nodes as the process does, quicker."""
        self.publish(number, text)
        job = Job(name="desired", run=self.teller.tell, every_s=0.02, wanted=self.teller.wanted)
        self._jobs = Jobs([job], self._state, centre="tinh", holder=self.name)
        self._jobs.start()
        return self._jobs

    def leave(self) -> None:
        """End as the process does when it is asked to."""
        if self._jobs is not None:
            self._jobs.stop()
        self.teller.leave()
        self.close()

    def close(self) -> None:
        """Be gone as by a power cut: the lease ends by time."""
        if self._jobs is not None:
            self._jobs.stop()
        self.line.stop()
        self._thread.join(10)
        self.line.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[State]:
    state = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield state
    state.close()


def plain(port: int) -> BrokerSettings:
    return BrokerSettings(host="127.0.0.1", port=port, plain=True)


@pytest.fixture
def worker(small: State, broker: start.Server) -> Iterator[Worker]:
    made = Worker(small, plain(broker.port))
    yield made
    made.close()


@pytest.fixture
def relay(broker: start.Server) -> Iterator[Relay]:
    made = Relay(broker.port)
    yield made
    made.close()


@pytest.fixture
def secure(tmp_path: Path, mosquitto_program: Path) -> Iterator[SecureBroker]:
    made = secure_broker(mosquitto_program, tmp_path / "secure", province())
    made.start()
    yield made
    made.stop()


def settings_of(broker: SecureBroker, cn: str = "tinh.worker.1") -> BrokerSettings:
    return BrokerSettings(
        host="127.0.0.1",
        port=broker.port,
        ca=broker.ca,
        cert=broker.cert(cn),
        key=broker.key(cn),
    )


def store(state: State, *texts: str) -> None:
    """Publish versions, from the first on."""
    for text in texts:
        publish(state, text)


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


# --- more than one worker -----------------------------------------------------------------------


def test_of_many_workers_one_tells_each_version_once(small: State, broker: start.Server) -> None:
    # real leases, many times as short: who tells must keep its own
    workers = [
        Worker(small, plain(broker.port), name=name, lease_s=0.6, look_s=0.1) for name in "123"
    ]
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
    one = Worker(small, plain(broker.port), name="1", lease_s=0.6, look_s=0.1)
    two = Worker(small, plain(broker.port), name="2", lease_s=0.6, look_s=0.1)
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
    one = Worker(small, plain(broker.port), name="1", lease_s=1.5, look_s=0.1)
    two = Worker(small, plain(broker.port), name="2", lease_s=1.5, look_s=0.1)
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
    one = Worker(small, plain(relay.port), name="1", lease_s=0.6, look_s=0.1)
    two = Worker(small, plain(broker.port), name="2", lease_s=0.6, look_s=0.1)
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
    older = Worker(small, plain(broker.port), name="1", lease_s=0.6, look_s=0.1)
    newer = Worker(small, plain(broker.port), name="2", lease_s=0.6, look_s=0.1)
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
    slow = Worker(small, plain(relay.port), name="1", lease_s=0.6, look_s=0.1)
    quick = Worker(small, plain(broker.port), name="2", lease_s=0.6, look_s=0.1)
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


# --- the signature ------------------------------------------------------------------------------


def check(desired: Desired, authority: Path) -> str:
    """Who signed, as a node finds it out; raises `InvalidSignature`."""
    root = x509.load_pem_x509_certificate(authority.read_bytes())
    signer = x509.load_pem_x509_certificate(desired.certificate.encode())
    signer.verify_directly_issued_by(root)
    key = signer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(desired.signature, desired.body.encode(), ec.ECDSA(SHA256()))
    return str(signer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_what_a_node_hears_over_tls_the_worker_signed_and_no_byte_can_be_changed(
    small: State, secure: SecureBroker
) -> None:
    worker = Worker(small, settings_of(secure))
    worker.publish(1)
    worker.teller.tell()
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    wait_until(lambda: node.got, what="the part")
    desired = messages.decode(node.got[0][1], Desired)
    assert decode_part(desired.body).node == "cong-1"
    assert check(desired, secure.ca) == "tinh.worker.1"
    other = desired.body.replace('"version":1', '"version":2')
    assert other != desired.body
    with pytest.raises(InvalidSignature):
        check(
            Desired(body=other, certificate=desired.certificate, signature=desired.signature),
            secure.ca,
        )
    node.close()
    worker.close()


def test_a_renewed_certificate_signs_anew_without_a_new_connection(
    small: State, secure: SecureBroker
) -> None:
    settings = settings_of(secure)
    worker = Worker(small, settings)
    worker.publish(1)
    worker.teller.tell()
    before = secure.cert("tinh.worker.1").read_text()
    secure.issue("tinh.worker.1")
    assert worker.teller.wanted(), "what was signed before ends with its certificate"
    worker.teller.tell()
    assert not worker.teller.wanted()
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    wait_until(lambda: node.got, what="the part")
    desired = messages.decode(node.got[0][1], Desired)
    assert desired.certificate == secure.cert("tinh.worker.1").read_text() != before
    assert check(desired, secure.ca) == "tinh.worker.1"
    assert worker.line.generation == 1
    node.close()
    worker.close()


def no_file(settings: BrokerSettings) -> BrokerSettings:
    return replace(settings, key=Path("/none/key"))


def folder(settings: BrokerSettings) -> BrokerSettings:
    assert settings.cert is not None
    return replace(settings, cert=settings.cert.parent)


def swapped(settings: BrokerSettings) -> BrokerSettings:
    return replace(settings, cert=settings.key, key=settings.cert)


def not_its_key(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    return replace(settings, key=settings.key.with_name("tinh.ingest.w1.key"))


def other_kind(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    found = settings.key.with_name("rsa.key")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    found.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return replace(settings, key=found)


def locked(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    found = settings.key.with_name("locked.key")
    key = ec.generate_private_key(ec.SECP256R1())
    way = BestAvailableEncryption(b"secret")
    found.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, way))
    return replace(settings, key=found)


def other_name(settings: BrokerSettings) -> BrokerSettings:
    assert settings.cert is not None
    assert settings.key is not None
    return replace(
        settings,
        cert=settings.cert.with_name("tinh.ingest.w1.crt"),
        key=settings.key.with_name("tinh.ingest.w1.key"),
    )


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_file, "broker: /none/key: cannot be read: No such file or directory"),
        (folder, "clients: cannot be read: Is a directory"),
        (swapped, "tinh.worker.1.key is no certificate"),
        (not_its_key, "tinh.ingest.w1.key is not of .*tinh.worker.1.crt"),
        (other_kind, "rsa.key is not on the curve P-256"),
        (locked, "locked.key is no key to sign with: .*encrypted"),
        (other_name, "is of tinh.ingest.w1; what nodes run is signed by a tinh.worker.NAME"),
    ],
)
def test_files_that_do_not_sign_are_told_in_a_sentence(
    secure: SecureBroker,
    spoil: Callable[[BrokerSettings], BrokerSettings],
    sentence: str,
) -> None:
    with pytest.raises(CloudConfigError, match=sentence):
        seal_of(spoil(settings_of(secure)), centre="tinh")


def test_a_job_that_cannot_sign_says_so_and_tells_once_it_can(
    small: State, secure: SecureBroker
) -> None:
    settings = settings_of(secure)
    worker = Worker(small, settings)
    key = secure.key("tinh.worker.1")
    key.rename(key.with_suffix(".away"))
    jobs = worker.start(1)
    wait_until(lambda: jobs.trouble, what="trouble")
    assert "tinh.worker.1.key: cannot be read" in jobs.trouble["desired"]
    key.with_suffix(".away").rename(key)
    wait_until(lambda: not worker.teller.wanted(), what="the word", timeout_s=90)
    wait_until(lambda: not jobs.trouble, what="an end of the trouble")
    worker.close()


# --- the process --------------------------------------------------------------------------------


def test_the_worker_tells_a_new_version_to_nodes_that_listen(
    tmp_path: Path, small: State, secure: SecureBroker
) -> None:
    config, log = tmp_path / "centre.yaml", tmp_path / "worker.log"
    clients = secure.folder / "clients"
    config.write_text(
        yaml.safe_dump(
            {
                "centre": "tinh",
                "state": "sqlite:///state.sqlite",
                "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
                "lake": "lake",
                "blobs": "blobs",
                "broker": {
                    "port": secure.port,
                    "ca": str(secure.ca),
                    "cert": str(clients / "tinh.{process}.crt"),
                    "key": str(clients / "tinh.{process}.key"),
                },
            }
        )
    )
    store(small, TEXT)
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(HAIDANG), "cloud", "worker", "--config", str(config), "--worker", "1"],
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: len(node.got) == 1, what="the first version")
        store(small, MOVED)
        wait_until(lambda: len(node.got) == 2, what="the second version")
        said = "the broker acknowledged catalogue version 2 for its nodes"
        wait_until(lambda: said in log.read_text(), what=said)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        node.close()
    assert [part_of(payload).version for _, payload in node.got] == [1, 2]
    assert check(messages.decode(node.got[1][1], Desired), secure.ca) == "tinh.worker.1"
