"""The node's MQTT 5 session: connects, keeps trying, hands messages up; knows no records."""

import logging
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from haidang_edge.errors import NodeConfigError
from haidang_edge.publish.settings import BrokerSettings
from haidang_edge.publish.unreached import why_unreached
from haidang_protocols.wire.reasons import Reason, because

log = logging.getLogger(__name__)

SESSION_EXPIRY_S = 24 * 3600
IN_FLIGHT = 20
WILL_DELAY_S = 20
RECONNECT_MAX_S = 30
BROKE_OFF = "it breaks off before it answers: it may not take this node's certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says for us when we are gone."""

    topic: str
    payload: bytes


class Session:
    """One connection of one client; callbacks come from paho's thread and must be quick."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: str,
        will: Will,
        subscriptions: tuple[str, ...],
        on_up: Callable[[], None],
        on_down: Callable[[Reason], None],
        on_message: Callable[[str, bytes], None],
        on_sent: Callable[[], None],
    ) -> None:
        """Prepare; raises `NodeConfigError` when certificates cannot be used."""
        self._settings = settings
        self._subscriptions = subscriptions
        self._on_up, self._on_down = on_up, on_down
        self._up = threading.Event()
        self._answered = False
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.reconnect_delay_set(min_delay=1, max_delay=RECONNECT_MAX_S)
        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        properties.WillDelayInterval = WILL_DELAY_S
        client.will_set(will.topic, will.payload, qos=1, retain=True, properties=properties)
        self._tls = _tls(settings)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.on_connect = self._connected
        client.on_connect_fail = self._failed
        client.on_disconnect = self._disconnected
        client.on_message = lambda _c, _u, message: on_message(
            message.topic, bytes(message.payload)
        )
        client.on_publish = lambda *_: on_sent()
        self._client = client

    def start(self) -> None:
        """Connect in the background and keep connecting."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=self._settings.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        self._up.clear()

    @property
    def up(self) -> bool:
        """Whether the broker is there."""
        return self._up.is_set()

    def queued(self) -> int:
        """Messages given to the client that the broker has not confirmed."""
        return len(self._client._out_messages)  # noqa: SLF001  # paho has no public count

    def unconfirmed(self, message: int) -> bool:
        """Whether the client still has a message to hand over: no second copy is needed then."""
        return message in self._client._out_messages  # noqa: SLF001  # see `queued`

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        """Hand a message to the client; returns its number, 0 when there is no broker."""
        if not self.up:
            return 0
        handed = self._client.publish(topic, payload, qos=qos, retain=retain)
        return handed.mid if handed.rc == 0 else 0

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._on_down(because("broker.refused", why=str(reason)))
            return
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._subscriptions])
        self._up.set()
        log.info("connected to broker %s", self._broker)
        self._on_up()

    def _failed(self, _client: mqtt.Client, _userdata: Any) -> None:  # noqa: ANN401  # paho's
        """No connection came about; paho calls this while it handles the error itself."""
        self._unreached(why_unreached(sys.exception(), host=self._settings.host))

    def _unreached(self, why: str) -> None:
        self._on_down(because("broker.unreached", broker=self._broker, why=why))

    @property
    def _broker(self) -> str:
        """As it is told to people."""
        return f"{self._settings.host}:{self._settings.port}"

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was_up, answered = self._up.is_set(), self._answered
        self._up.clear()
        self._answered = False
        self._take_new_certificate()
        if was_up:
            self._on_down(because("broker.lost", why=str(reason)))
        elif not answered:  # a refusal has been told by its own words
            self._unreached(BROKE_OFF)

    def _take_new_certificate(self) -> None:
        """The certificate may have been renewed since: the next connection shows what is there."""
        cert, key = self._settings.cert, self._settings.key
        if self._tls is None or cert is None or key is None:
            return
        try:
            self._tls.load_cert_chain(str(cert), str(key))
        except (OSError, ssl.SSLError) as error:
            log.warning("certificate %s stays as it was: %s", cert, error)


def _tls(settings: BrokerSettings) -> ssl.SSLContext | None:
    if settings.plain:
        return None
    if settings.ca is None or settings.cert is None or settings.key is None:
        raise NodeConfigError("broker: ca, cert and key are needed (or plain: true on loopback)")
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(settings.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(settings.cert), str(settings.key))
    except (OSError, ssl.SSLError) as error:
        raise NodeConfigError(
            f"broker: certificate files {settings.ca}, {settings.cert}, {settings.key}: {error}"
        ) from error
    return context
