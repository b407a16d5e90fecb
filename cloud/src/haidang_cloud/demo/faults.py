"""What can be broken in the demo: each fault has a name, a beginning, and an end of its own."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from haidang_cloud.broker import BrokerSettings
from haidang_cloud.broker.connection import secure
from haidang_cloud.demo.children import Crew
from haidang_cloud.demo.cord import Cord
from haidang_cloud.demo.home import CENTRE, NODE, SITE, Home
from haidang_cloud.demo.locked import Locked
from haidang_cloud.demo.watch import Watch
from haidang_cloud.errors import RefusedError
from haidang_protocols.wire.topics import NodeLeaf, node_topic

DOWN_S = 6.0
SEND_S = 10.0
BAD_MESSAGE = b'{"v": 1, "spool": "this is no batch"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something to break.

    Attributes:
        begin: is told for how long, in seconds.
        for_s: as long as nobody says otherwise; 0 for what happens at once.
    """

    begin: Callable[[float], object]
    end: Callable[[], object] = lambda: None
    for_s: float = 0.0


class FaultShown(msgspec.Struct, frozen=True, kw_only=True):
    """A fault as people see it; `left_s` is above 0 while it is on."""

    name: str
    for_s: float
    left_s: float


class Faults:
    """Begins and ends faults; for any thread."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        """These, by name."""
        self._faults = faults
        self._lock = threading.Lock()
        self._on: dict[str, tuple[float, threading.Timer]] = {}

    def list(self) -> tuple[FaultShown, ...]:
        """All of them."""
        now_s = time.monotonic()
        with self._lock:
            left = {name: until_s - now_s for name, (until_s, _) in self._on.items()}
        return tuple(
            FaultShown(
                name=name,
                for_s=fault.for_s,
                left_s=round(max(0.0, left.get(name, 0.0)), 1),
            )
            for name, fault in self._faults.items()
        )

    def press(self, name: str, *, for_s: float | None = None) -> None:
        """Begin a fault; raises `RefusedError` for one that is not there or is on already."""
        fault = self._faults.get(name)
        if fault is None:
            known = ", ".join(self._faults)
            raise RefusedError("unknown.fault", f"there is no fault {name}; there are: {known}")
        with self._lock:
            if name in self._on:
                raise RefusedError("conflict.fault", "this fault is still on")
            lasts_s = fault.for_s if for_s is None else for_s
            timer = threading.Timer(lasts_s, self._end, args=(name,))
            timer.daemon = True
            self._on[name] = (time.monotonic() + lasts_s, timer)
        try:
            fault.begin(lasts_s)
        except BaseException:
            with self._lock:
                del self._on[name]
            raise
        timer.start()

    def close(self) -> None:
        """End all that is on."""
        with self._lock:
            left = dict(self._on)
        for name, (_, timer) in left.items():
            timer.cancel()
            self._end(name)

    def _end(self, name: str) -> None:
        self._faults[name].end()
        with self._lock:
            self._on.pop(name, None)


def faults_of(home: Home, crew: Crew, cord: Cord, watch: Watch, *, camera: str) -> dict[str, Fault]:
    """All that this demo can break; `camera` is the one that freezes."""
    hold = home.node / f"{camera}.hold"
    locked = Locked(watch.config)
    return {
        "link": Fault(begin=lambda _: cord.cut(), end=cord.mend, for_s=15.0),
        "broker": Fault(begin=lambda for_s: crew.kill("broker", down_s=for_s), for_s=DOWN_S),
        "ingest": Fault(begin=lambda for_s: crew.kill("ingest", down_s=for_s), for_s=DOWN_S),
        "database": Fault(begin=lambda _: locked.lock(), end=locked.free, for_s=15.0),
        "camera": _file_fault(hold, for_s=45.0),
        "clock": _file_fault(home.unset_clock, for_s=30.0),
        "message": Fault(begin=lambda _: send_bad_message(home, cord.port)),
    }


def _file_fault(path: Path, *, for_s: float) -> Fault:
    """One that lasts while a file is there."""
    return Fault(
        begin=lambda _: path.touch(), end=lambda: path.unlink(missing_ok=True), for_s=for_s
    )


def send_bad_message(home: Home, port: int) -> None:
    """Say something that is no batch in the node's name.

    The broker lets only the node's own certificate say it: the node is sent away for a second and
    comes back, as with any disturbed line.
    """
    tls = home.tls / "current"
    settings = BrokerSettings(
        host="localhost",
        port=port,
        ca=tls / "ca.crt",
        cert=tls / "node.crt",
        key=tls / "node.key",
    )
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=NODE, protocol=mqtt.MQTTv311)
    secure(client, settings)
    sent = threading.Event()

    def say(client: mqtt.Client, *_rest: object) -> None:
        client.publish(node_topic(CENTRE, SITE, NODE, NodeLeaf.RECORDS), BAD_MESSAGE, qos=1)

    client.on_connect = say
    client.on_publish = lambda *_: sent.set()
    try:
        client.connect(settings.host, settings.port)
        client.loop_start()
        if not sent.wait(SEND_S):
            raise RefusedError("away.broker", "the broker does not take it just now")
    except OSError as error:
        raise RefusedError("away.broker", f"the broker does not answer: {error}") from error
    finally:
        client.disconnect()
        client.loop_stop()
