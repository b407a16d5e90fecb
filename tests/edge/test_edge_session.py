"""What is in the way to the broker is told: once, in words, and so is that it is there again."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.relay import Relay
from haidang_edge.publish import BrokerSettings
from haidang_edge.publish.session import BROKE_OFF, Session, Will
from haidang_edge.publish.unreached import why_unreached
from haidang_fleet.broker.files import CONF_FILE
from haidang_fleet.enrolment.authority import Authority, key_pem, new_key, pem
from haidang_protocols.catalogue import load
from haidang_protocols.wire.reasons import Reason, because
from servers import start
from servers.node import CATALOGUE
from servers.secure import SecureBroker, secure_broker

NODE = "gate-1"
NOW = datetime.now(UTC)


class Side:
    """A node's session, and what it was told."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.reasons: list[Reason] = []
        self.session = Session(
            settings,
            client_id=NODE,
            will=Will(topic=f"haidang/demo/gate/{NODE}/state", payload=b"{}"),
            subscriptions=(f"haidang/demo/gate/{NODE}/stored",),
            on_up=lambda: None,
            on_down=self.reasons.append,
            on_message=lambda _topic, _payload: None,
            on_sent=lambda: None,
        )
        self.session.start()

    def told(self, reason: Reason) -> None:
        start.wait_until(
            lambda: self.reasons[-1:] == [reason], what=f"{reason}, not {self.reasons}"
        )


NewSide = Callable[[BrokerSettings], Side]


@pytest.fixture
def new_side() -> Iterator[NewSide]:
    """Makes sessions; all end with the test."""
    made: list[Side] = []

    def make(settings: BrokerSettings) -> Side:
        made.append(Side(settings))
        return made[-1]

    yield make
    for side in made:
        side.session.stop()


@pytest.fixture
def relay(broker: start.Server) -> Iterator[Relay]:
    made = Relay(broker.port)
    yield made
    made.close()


def of_port(made: SecureBroker, port: int) -> SecureBroker:
    """The same broker at another port."""
    conf = made.folder / CONF_FILE
    text = conf.read_text()
    assert str(made.port) in text
    conf.write_text(text.replace(str(made.port), str(port)))
    made.server.port = port
    return made


def as_node(ours: SecureBroker, shown: SecureBroker) -> BrokerSettings:
    """Believe one authority and show what another one signed."""
    return BrokerSettings(
        host="localhost",
        port=ours.port,
        ca=ours.ca,
        cert=shown.cert(NODE),
        key=shown.key(NODE),
    )


@pytest.fixture
def ours(mosquitto_program: Path, tmp_path: Path) -> Iterator[SecureBroker]:
    made = secure_broker(mosquitto_program, tmp_path / "ours", load(CATALOGUE))
    yield made
    made.stop()


@pytest.fixture
def other(mosquitto_program: Path, tmp_path: Path, ours: SecureBroker) -> Iterator[SecureBroker]:
    made = secure_broker(mosquitto_program, tmp_path / "other", load(CATALOGUE))
    yield of_port(made, ours.port)
    made.stop()


# paho leaves the socket of a failed handshake to the collector, which Python tells of
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.broker
def test_a_closed_port_another_authority_and_back(
    ours: SecureBroker, other: SecureBroker, new_side: NewSide, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker = f"localhost:{ours.port}"
    refused = because("broker.unreached", broker=broker, why="connection refused")
    foreign = because(
        "broker.unreached", broker=broker, why="its certificate is not of our authority"
    )
    side = new_side(as_node(ours, ours))
    side.told(refused)
    assert str(refused) == f"{broker} cannot be reached: connection refused"
    other.start()
    side.told(foreign)
    other.stop()
    ours.start()
    start.wait_until(lambda: side.session.up, what="up")
    assert f"connected to broker {broker}" in caplog.text
    ours.stop()
    start.wait_until(lambda: side.reasons[-1] != foreign, what="the end is told")
    assert side.reasons[-1].code == "broker.lost"
    side.told(refused)


@pytest.mark.broker
def test_a_broker_that_does_not_take_the_nodes_certificate(
    ours: SecureBroker, other: SecureBroker, new_side: NewSide
) -> None:
    ours.start()
    side = new_side(as_node(ours, other))
    side.told(because("broker.unreached", broker=f"localhost:{ours.port}", why=BROKE_OFF))
    assert not side.session.up


@pytest.mark.broker
def test_what_a_broker_refuses_in_words_is_told_in_its_words(
    broker: start.Server, new_side: NewSide
) -> None:
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, plain=True)
    conf = broker.log.parent / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.stop()
    broker.start()
    side = new_side(settings)
    side.told(because("broker.refused", why="Not authorized"))
    start.wait_until(lambda: len(side.reasons) > 1, what="another attempt")
    assert {reason.code for reason in side.reasons} == {"broker.refused"}


@pytest.mark.broker
def test_what_breaks_off_at_once(relay: Relay, new_side: NewSide) -> None:
    relay.cut()
    side = new_side(BrokerSettings(host="127.0.0.1", port=relay.port, plain=True))
    side.told(because("broker.unreached", broker=f"127.0.0.1:{relay.port}", why=BROKE_OFF))
    relay.mend()
    start.wait_until(lambda: side.session.up, what="up")


# --- the words ----------------------------------------------------------------------------------


def handshake(folder: Path, believed: Authority, shown: Authority, **server: object) -> OSError:
    """What a client says of a server's certificate, without a network between them."""
    key = new_key()
    options = {"names": ("localhost",), "now": NOW, "days": 1} | server
    certificate = shown.sign_server(key.public_key(), **options)  # type: ignore[arg-type]
    (folder / "s.crt").write_text(pem(certificate))
    (folder / "s.key").write_bytes(key_pem(key))
    here = ssl.create_default_context(cadata=pem(believed.certificate))
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(folder / "s.crt", folder / "s.key")
    to_there, to_here = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = here.wrap_bio(to_here, to_there, server_hostname="localhost")
    host = there.wrap_bio(to_there, to_here, server_side=True)
    for _ in range(5):
        for end in (client, host):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return error
    raise AssertionError("the certificate was taken")


def test_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    ours = Authority.make(tmp_path / "ours", name="Test", now=NOW)
    namesake = Authority.make(tmp_path / "namesake", name="Test", now=NOW)
    other = Authority.make(tmp_path / "other", name="Other", now=NOW)
    young = Authority.make(tmp_path / "young", name="Young", now=NOW + timedelta(days=2000))

    def said(shown: Authority, *, believed: Authority = ours, **server: object) -> str:
        return why_unreached(handshake(tmp_path, believed, shown, **server), host="localhost")

    for foreign in (namesake, other):
        assert said(foreign) == "its certificate is not of our authority"
    assert said(ours, names=("elsewhere",)) == "its certificate is not for 'localhost'"
    clock = "by this node's clock its certificate"
    assert said(ours, now=NOW - timedelta(days=2)) == f"{clock} has ended"
    assert said(young, believed=young, days=3000) == f"{clock} is not valid yet"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (OSError(113, "No route to host"), "no route to host"),
        (socket.gaierror(-2, "Name or service not known"), "there is no address for 'b.example'"),
        (TimeoutError("timed out"), "no answer"),
        (ConnectionResetError(104, "Connection reset by peer"), "it breaks off at once"),
        (ssl.SSLEOFError(8, "EOF occurred"), "it breaks off at once"),
        (OSError(), "OSError"),
    ],
)
def test_what_the_network_says(error: OSError, said: str) -> None:
    assert why_unreached(error, host="b.example")[:40].lower() == said.lower()
