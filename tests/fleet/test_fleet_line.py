"""The line over TLS 1.3: who is let in, who can pass for whom, and how one is cut off."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from haidang_edge.publish import BrokerSettings, Hooks, Identity, Pace, Publisher
from haidang_edge.spool import ClockFixes, NodeClock, Spool, SpoolSettings
from haidang_fleet.enrolment.authority import Revoked
from haidang_protocols.catalogue import load
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.records import (
    Event,
    Phase,
    RecordClass,
    RuleKind,
    decode_batch,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.topics import NodeLeaf, Severity
from haidang_protocols.wire.watermark import encode_watermark, watermark_of
from servers import start
from servers.find import REPOSITORY
from servers.fleet import Fleet, haidang
from servers.secure import SecureBroker, secure_broker
from servers.speaker import REFUSED, Speaker

pytestmark = pytest.mark.broker

RECORDS = topics.node_topic("demo", "gate", "gate-1", NodeLeaf.RECORDS)
STORED = topics.node_topic("demo", "gate", "gate-1", NodeLeaf.STORED)
INGEST = "demo.ingest.w1"


@pytest.fixture
def secure(mosquitto_program: Path, tmp_path: Path) -> Iterator[SecureBroker]:
    made = secure_broker(mosquitto_program, tmp_path / "b", load(REPOSITORY / "catalog/minimal"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def speaking(secure: SecureBroker) -> Iterator[Callable[..., Speaker]]:
    made: list[Speaker] = []

    def connect(name: str, **options: object) -> Speaker:
        files = {"ca": secure.ca, "cert": secure.cert(name), "key": secure.key(name)}
        made.append(Speaker(secure.port, **files, **options).up())  # type: ignore[arg-type]
        return made[-1]

    yield connect
    for speaker in made:
        speaker.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(SpoolSettings(folder=tmp_path / "spool", segment_bytes=1 << 20))
    yield made
    made.close()


def publisher(spool: Spool, folder: Path, broker: BrokerSettings) -> Publisher:
    """The node's own sender."""
    clock = NodeClock(folder, trust_wall=True)
    hooks = Hooks(
        birth=lambda: messages.Birth(
            spool=spool.id, next_seq=spool.next_seq, agent="test", clock=clock.state()
        ),
        heartbeat=lambda: messages.Heartbeat(at=clock.state().wall, clock=clock.state()),
    )
    return Publisher(
        spool,
        identity=Identity(centre="demo", site="gate", node="gate-1"),
        broker=broker,
        clock=clock,
        fixes=ClockFixes(folder),
        hooks=hooks,
        pace=Pace(stall_s=0.4, stall_max_s=1.0),
    )


def event() -> bytes:
    return encode_record(
        Event(
            t=time.time_ns(),
            boot="0123abcd",
            mono=1,
            synced=True,
            camera="gate-east",
            rule="r",
            type=RuleKind.INTRUSION,
            phase=Phase.BEGIN,
            event="e1",
            severity=Severity.INFO,
        )
    )


def test_the_nodes_records_and_the_centres_word_travel_under_tls(
    secure: SecureBroker, spool: Spool, tmp_path: Path, speaking: Callable[..., Speaker]
) -> None:
    ingest = speaking(INGEST)
    assert ingest.subscribe([topics.shared("ingest", RECORDS.replace("gate/gate-1", "+/+"))]) == [0]
    settings = BrokerSettings(
        host="localhost",
        port=secure.port,
        ca=secure.ca,
        cert=secure.cert("gate-1"),
        key=secure.key("gate-1"),
    )
    sender = publisher(spool, tmp_path, settings)
    sender.start()
    sent = [spool.append(RecordClass.EVENT, event()) for _ in range(120)]
    spool.wait(sent[-1])
    done = SeqSet()

    def empty() -> bool:
        for _, payload in ingest.got:
            for seq in decode_batch(payload).seqs:
                done.add(seq)
        ingest.got.clear()
        word = encode_watermark(watermark_of(spool.id, done))
        ingest.publish([(STORED, word)], retain=True)
        return spool.depth() == 0

    start.wait_until(empty, what="the spool empty")
    sender.stop()
    assert all(seq in done for seq in sent)


CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"


def let_in(port: int, context: ssl.SSLContext) -> tuple[str | None, bytes]:
    """What one that is let in is told: TLS version, and the broker's CONNACK."""
    with (
        socket.create_connection(("localhost", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(CONNECT)
        return secured.version(), secured.recv(4)


def turned_away(port: int, context: ssl.SSLContext) -> str:
    """Why one is not let in: the broker's alert, which comes unasked."""
    with (
        pytest.raises(ssl.SSLError) as told,
        socket.create_connection(("localhost", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.recv(1)
    return told.value.reason or str(told.value)


def trusting(secure: SecureBroker, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(secure.ca))
    if name is not None:
        context.load_cert_chain(secure.cert(name), secure.key(name))
    return context


def test_tls_1_3_and_a_certificate_or_nothing(secure: SecureBroker) -> None:
    port = secure.port
    assert let_in(port, trusting(secure, "gate-1")) == ("TLSv1.3", b"\x20\x02\x00\x00")
    old = trusting(secure, "gate-1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert turned_away(port, old) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert turned_away(port, trusting(secure, None)) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_a_certificate_of_another_authority_is_refused(
    secure: SecureBroker, mosquitto_program: Path, tmp_path: Path
) -> None:
    other = secure_broker(mosquitto_program, tmp_path / "o", load(REPOSITORY / "catalog/minimal"))
    context = trusting(secure, None)
    context.load_cert_chain(other.cert("gate-1"), other.key("gate-1"))
    assert turned_away(secure.port, context) in (
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_DECRYPT_ERROR",
    )


def test_a_plain_connection_is_not_answered(secure: SecureBroker) -> None:
    with socket.create_connection(("localhost", secure.port), 10) as plain:
        plain.sendall(CONNECT)
        try:
            answer = plain.recv(64)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"\x20")


def test_nobody_takes_anothers_session(
    secure: SecureBroker, speaking: Callable[..., Speaker]
) -> None:
    secure.issue("thief")
    node = speaking("gate-1", session_s=3600)
    assert node.subscribe([STORED], qos=1) == [1]
    thief = speaking("thief", client_id="gate-1", session_s=3600)
    ingest = speaking(INGEST)
    ingest.publish([(STORED, b"word")], retain=True)
    start.wait_until(lambda: node.got, what="the node's own message")
    thief.barrier()
    assert not node.ended, "the node's session stays its own"
    assert not thief.got


def test_a_node_writes_nobody_elses_topic(
    secure: SecureBroker, speaking: Callable[..., Speaker]
) -> None:
    node = speaking("gate-1")
    other = RECORDS.replace("gate-1", "gate-2")
    assert node.publish(
        [(other, b"x"), (STORED, b"x"), ("$CONTROL/dynamic-security/v1", b"{}")]
    ) == [
        REFUSED,
        REFUSED,
        REFUSED,
    ]


def test_the_will_of_one_who_may_not_speak_is_not_heard(
    secure: SecureBroker, speaking: Callable[..., Speaker]
) -> None:
    console = speaking("demo.console.main")
    state = topics.node_topic("demo", "gate", "gate-1", NodeLeaf.STATE)
    assert console.subscribe([state]) == [0]
    secure.issue("liar")
    packet = _connect_with_will(state, b"I am gate-1")
    with (
        socket.create_connection(("localhost", secure.port), 10) as plain,
        trusting(secure, "liar").wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(packet)
        secured.recv(4)
    # a node that is who it says it is dies in the same way afterwards: its will is heard
    with (
        socket.create_connection(("localhost", secure.port), 10) as plain,
        trusting(secure, "gate-1").wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(_connect_with_will(state, b"true"))
        assert secured.recv(4) == b"\x20\x02\x00\x00"
    start.wait_until(lambda: console.got, what="the node's will")
    assert console.got == [(state, b"true")]


def _connect_with_will(topic: str, payload: bytes) -> bytes:
    def text(value: bytes) -> bytes:
        return len(value).to_bytes(2, "big") + value

    body = b"\x00\x04MQTT\x04\x0e\x00\x0a" + text(b"") + text(topic.encode()) + text(payload)
    assert len(body) < 128
    return b"\x10" + bytes([len(body)]) + body


def test_a_revoked_node_is_cut_off_at_once_and_cannot_return(fleet: Fleet, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert fleet.enrol(fleet.token("gate-1"), keys).code == 0
    at = keys / "current"
    ca, cert, key = at / "ca.crt", at / "node.crt", at / "node.key"
    node = Speaker(fleet.broker.port, ca=ca, cert=cert, key=key).up()
    assert node.publish([(RECORDS, b"x")])[0] != REFUSED

    told = fleet.run("revoke", "gate-1", "--by", "an", "--why", "stolen")
    assert told.code == 0, told.err
    start.wait_until(lambda: node.ended, what="the live connection ended")
    start.wait_until(lambda: len(node.ended) >= 2, what="a try to return, refused")
    assert node.connects == 1, "it never gets in again"
    node.close()
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(cert, key)
    assert turned_away(fleet.broker.port, context) == "SSLV3_ALERT_CERTIFICATE_REVOKED"

    fleet.broker.stop()
    fleet.broker.start()
    assert turned_away(fleet.broker.port, context) == "SSLV3_ALERT_CERTIFICATE_REVOKED"


def test_a_renewed_certificate_is_shown_at_the_next_connection(
    fleet: Fleet, spool: Spool, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    assert fleet.enrol(fleet.token("gate-1"), keys).code == 0
    at = keys / "current"
    settings = BrokerSettings(
        host="localhost",
        port=fleet.broker.port,
        ca=at / "ca.crt",
        cert=at / "node.crt",
        key=at / "node.key",
    )
    sender = publisher(spool, tmp_path, settings)
    sender.start()
    start.wait_until(lambda: sender.connected, what="connected with the first certificate")
    first = at.readlink().name
    renewed = haidang("node", "enrol", "--renew", "--force", "--dir", keys)
    assert renewed.code == 0, renewed.err
    _revoke_one(fleet, int(first, 16))
    fleet.broker.stop()
    start.wait_until(lambda: not sender.connected, what="the broker gone")
    fleet.broker.start()
    start.wait_until(lambda: sender.connected, what="connected with the second certificate")
    sender.stop()


def _revoke_one(fleet: Fleet, serial: int) -> None:
    """A list that ends one certificate only: what expiry does after a month."""
    office = fleet.office
    now = datetime.now(UTC)
    crl = office.desk.authority.crl([Revoked(serial=serial, at=now)], number=99, now=now)
    (fleet.folder / "broker" / "crl.pem").write_bytes(crl)
