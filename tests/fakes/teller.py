"""Workers that tell nodes what to run, and who hears it: over a real broker."""

import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from fakes.province import TEXT, province
from fakes.versions import publish
from haidang_cloud.broker import BrokerSettings, Line
from haidang_cloud.desired import DesiredTeller
from haidang_cloud.desired.teller import LEASE_S, LOOK_S
from haidang_cloud.processes.jobs import Job, Jobs
from haidang_cloud.state import State
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.part import NodePart, decode_part
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.topics import NodeLeaf
from servers.secure import SecureBroker
from servers.start import wait_until

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


def plain(port: int) -> BrokerSettings:
    return BrokerSettings(host="127.0.0.1", port=port, plain=True)


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
