"""A published catalogue comes to a real node over TLS, a site's broker in between that lies."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from fakes.node_line import Child, Line, wait_for
from haidang_cloud.processes import apply
from haidang_cloud.processes.config import state_of
from haidang_cloud.state import nodes
from haidang_edge.detect import ModelStore, recipes
from haidang_protocols.catalogue import load_texts
from haidang_protocols.catalogue.part import NodePart, decode_part, encode_part
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.messages import Birth
from haidang_protocols.wire.topics import NodeLeaf
from servers import start
from servers.node import WHERE, text_of
from servers.secure import SecureBroker, secure_broker
from servers.speaker import REFUSED, Speaker

pytestmark = pytest.mark.broker

CENTRE, SITE, NODE = WHERE
TOPIC = topics.node_topic(*WHERE, NodeLeaf.DESIRED)
MODELS = [{"name": "haidang-street", "classes": ["person", "car", "motorbike", "fire", "smoke"]}]


def camera(name: str, view: str) -> dict[str, str]:
    return {
        "id": name,
        "source": f"street:{view}?light=day&seed=3&size=320x240",
        "model": "haidang-street",
    }


EAST, WEST = camera("gate-east", "port"), camera("gate-west", "junction")
ONE, BOTH = text_of(EAST, models=MODELS), text_of(EAST, WEST, models=MODELS)


class Trial:
    """A centre with an ingest worker and a desk, and a node that has no file of a catalogue."""

    def __init__(self, folder: Path, broker: SecureBroker, text: str) -> None:
        self.folder, self.broker = folder, broker
        part = {
            "host": "localhost",
            "port": broker.port,
            "ca": str(broker.ca),
            "cert": str(broker.cert(f"{CENTRE}.{{process}}")),
            "key": str(broker.key(f"{CENTRE}.{{process}}")),
        }
        self.line = Line(
            folder / "centre",
            broker.server,
            state=f"sqlite:///{folder / 'state.sqlite'}",
            timeseries={"kind": "sqlite", "path": str(folder / "series.sqlite")},
            workers=1,
            declared=text,
            broker_part=part,
        )
        self.line.desk("1")
        self.node = self._agent()

    def _agent(self) -> Child:
        home = self.folder / NODE
        shipped = recipes.shipped("haidang-street")
        assert shipped is not None
        ModelStore(home / "models").add(shipped)
        config = {
            "centre": CENTRE,
            "site": SITE,
            "node": NODE,
            "models": "models",
            "spool": {"folder": "spool"},
            "broker": {
                "host": "localhost",
                "port": self.broker.port,
                "ca": str(self.broker.ca),
                "cert": str(self.broker.cert(NODE)),
                "key": str(self.broker.key(NODE)),
            },
            "trust_wall": True,
        }
        (home / "node.yaml").write_text(yaml.safe_dump(config))
        haidang = Path(sys.executable).with_name("haidang")
        command = [str(haidang), "node", "agent", "--config", str(home / "node.yaml")]
        return Child(command, self.folder / "agent.log")

    def publish(self, text: str, why: str) -> int:
        """Bring a catalogue into force."""
        path = self.folder / "centre.yaml"
        path.write_text(text)
        return apply.run(self.line.config_path, path, by="lan", why=why).number

    def birth(self) -> Birth | None:
        """What the centre knows of the node."""
        state = state_of(self.line.config)
        try:
            return next((b.birth for b in nodes.read(state, CENTRE) if b.node == NODE), None)
        finally:
            state.close()

    def runs(self, version: int, *cameras: str) -> bool:
        """Whether the node said that it runs a version, with these cameras."""
        birth = self.birth()
        if birth is None or birth.catalogue != version or birth.reason:
            return False
        return [camera.id for camera in birth.cameras] == list(cameras)

    def refuses(self, code: str) -> bool:
        """Whether the node said why something is not in force."""
        birth = self.birth()
        return birth is not None and birth.because is not None and birth.because.code == code

    def speaker(self, name: str) -> Speaker:
        """Somebody else with a certificate."""
        if not self.broker.cert(name).exists():
            self.broker.issue(name)
        return Speaker(
            self.broker.port,
            ca=self.broker.ca,
            cert=self.broker.cert(name),
            key=self.broker.key(name),
        ).up()

    def close(self) -> None:
        """End all."""
        self.node.kill()
        self.line.close()


@pytest.fixture
def trial(mosquitto_program: Path, tmp_path: Path) -> Iterator[Trial]:
    catalogue = load_texts({"a.yaml": ONE})
    broker = secure_broker(mosquitto_program, tmp_path / "secure", catalogue)
    broker.start()
    made = Trial(tmp_path, broker, ONE)
    yield made
    made.close()
    broker.stop()


def until(trial: Trial, condition: Callable[[], bool], what: str) -> None:
    try:
        wait_for(condition, what, 60.0)
    except TimeoutError as error:
        raise AssertionError(
            f"{error}\n{trial.node.tail()}\n{trial.line.desks[0].tail()}"
        ) from error


def test_a_version_reaches_the_node_over_a_cut_link_and_a_lying_broker_does_not(
    trial: Trial,
) -> None:
    assert trial.publish(ONE, "first start") == 1
    for child in (*trial.line.children(), trial.node):
        child.start()
    until(trial, lambda: trial.runs(1, "gate-east"), "the first version at work")

    # the link is cut, somebody publishes, the link comes back
    trial.broker.kill()
    assert trial.publish(BOTH, "a second camera") == 2
    trial.broker.start()
    until(trial, lambda: trial.runs(2, "gate-east", "gate-west"), "the second version at work")

    # a console's certificate may not say it at all
    console = trial.speaker(f"{CENTRE}.console.main")
    assert console.publish([(TOPIC, b"{}")], retain=True) == [REFUSED]
    console.close()

    # whoever owns the broker says it with what was said before, changed or not
    listener = trial.speaker(f"{CENTRE}.site.{SITE}")
    assert listener.subscribe([TOPIC]) == [0]
    start.wait_until(lambda: listener.got, what="what the broker keeps")
    kept = messages.decode(listener.got[0][1], Desired)
    listener.close()
    desk = trial.line.desks[0]
    desk.stop()
    owner = trial.speaker(f"{CENTRE}.worker.1")
    blinded = changed(decode_part(kept.body), version=9)
    owner.publish([(TOPIC, messages.encode(Desired(body=blinded)))], retain=True)
    until(trial, lambda: trial.refuses("catalogue.unsigned"), "without a signature it is refused")
    forged = Desired(body=blinded, certificate=kept.certificate, signature=kept.signature)
    owner.publish([(TOPIC, messages.encode(forged))], retain=True)
    owner.close()
    until(trial, lambda: "not of our" in told(trial), "another's signature does not fit")
    birth = trial.birth()
    assert birth is not None
    assert (birth.catalogue, len(birth.cameras)) == (2, 2), "what runs well goes on"

    # the centre's own word comes back with it, and taking a camera back is a new version
    desk.start()
    until(trial, lambda: trial.runs(2, "gate-east", "gate-west"), "nothing is wrong any more")
    assert trial.publish(ONE, "taken back") == 3
    until(trial, lambda: trial.runs(3, "gate-east"), "the third version at work")


def told(trial: Trial) -> str:
    birth = trial.birth()
    return "" if birth is None else birth.reason


def changed(part: NodePart, *, version: int) -> str:
    """A part without cameras, as somebody would like it who wants to pass by unseen."""
    blind = replace(part.catalogue, cameras=())
    return encode_part(replace(part, version=version, catalogue=blind))
