"""An MQTT 5 client by certificate, for tests: what it asked, what it was told, what it got."""

import ssl
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from servers import start

REFUSED = 0x87


class Speaker:
    """Connects at once; `codes` are MQTT 5 reason codes."""

    def __init__(
        self, port: int, *, ca: Path, cert: Path, key: Path, client_id: str = "", session_s: int = 0
    ) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.ended: list[str] = []
        self.connects = 0
        self._codes: dict[int, list[int]] = {}
        self._lock = threading.Lock()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(str(cert), str(key))
        client.tls_set_context(context)
        client.max_inflight_messages_set(200)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._connected
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self.ended.append(str(reason))
        client.on_publish = lambda _c, _u, mid, reason, _p: self._told(mid, [reason])
        client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._told(mid, reasons)
        client.on_message = lambda _c, _u, message: self.got.append(
            (message.topic, bytes(message.payload))
        )
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = session_s
        client.connect_async("localhost", port, clean_start=session_s == 0, properties=properties)
        client.loop_start()
        self.client = client

    def _connected(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        if not reason.is_failure:
            self.connects += 1

    def _told(self, mid: int, reasons: Iterable[Any]) -> None:
        with self._lock:
            self._codes[mid] = [reason.value for reason in reasons]

    def up(self) -> "Speaker":
        """Wait until connected."""
        start.wait_until(lambda: self.connects, what="connected to the broker")
        return self

    def publish(self, messages: Iterable[tuple[str, bytes]], *, retain: bool = False) -> list[int]:
        """Publish at QoS 1, all at once; the broker's code for each."""
        return self._codes_of(
            [self._mid(self.client.publish(t, p, qos=1, retain=retain)) for t, p in messages]
        )

    def subscribe(self, filters: Iterable[str], *, qos: int = 0) -> list[int]:
        """Subscribe to each by itself; the broker's code for each."""
        return self._codes_of([self.client.subscribe(f, qos=qos)[1] or 0 for f in filters])

    def _mid(self, sent: mqtt.MQTTMessageInfo) -> int:
        return sent.mid

    def _codes_of(self, mids: list[int]) -> list[int]:
        start.wait_until(
            lambda: all(mid in self._codes for mid in mids), what="the broker's answers"
        )
        return [self._codes[mid][0] for mid in mids]

    def barrier(self) -> None:
        """Return when everything that the broker had for us before this call is here."""
        self.publish([("barrier", b"")])

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
