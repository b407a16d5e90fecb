"""An MQTT 3.1.1 connection: a loop of our own, so that reading can pause.

paho acknowledges only when told to (`manual_ack`), and only on the connection that a message came
over: a packet id means nothing on the next one.
"""

import logging
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt import _packet
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from haidang_cloud.errors import CloudConfigError

log = logging.getLogger(__name__)

RECONNECT_MAX_S = 5.0
OBJECTION_S = 0.5
READS_PER_TURN = 256
READ_BYTES = 256 << 10
_PUBLISH, _PUBACK = 0x3, 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The broker and this process's certificate; `plain` is for one on the same machine only."""

    host: str
    port: int = 8883
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    plain: bool = False
    keepalive_s: int = 30


def secure(client: mqtt.Client, settings: BrokerSettings) -> ssl.SSLContext | None:
    """TLS 1.3 with our certificate; raises `CloudConfigError` when the files do not serve.

    Returns what was set, None for a broker that is reached without.
    """
    if settings.plain:
        return None
    context = _context(settings)
    client.tls_set_context(context)
    return context


def _context(settings: BrokerSettings) -> ssl.SSLContext:
    if settings.ca is None or settings.cert is None or settings.key is None:
        raise CloudConfigError("broker: ca, cert and key are needed (or plain: true on loopback)")
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(settings.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(settings.cert), str(settings.key))
    except (OSError, ssl.SSLError) as error:
        raise CloudConfigError(
            f"broker: certificate files {settings.ca}, {settings.cert}, {settings.key}: {error}"
        ) from error
    return context


def reach(settings: BrokerSettings, *, timeout_s: float = 5.0) -> None:
    """Shake hands with the broker without logging in: that would end a session of the same name.

    Raises `CloudConfigError` saying what is in the way.
    """
    where = f"broker {settings.host}:{settings.port}"
    context = None if settings.plain else _context(settings)
    try:
        with socket.create_connection((settings.host, settings.port), timeout_s) as plain:
            if context is not None:
                with context.wrap_socket(plain, server_hostname=settings.host) as secured:
                    _await_objection(secured)
    except OSError as error:
        raise CloudConfigError(f"{where}: {error}") from error


def _await_objection(secured: ssl.SSLSocket) -> None:
    """With TLS 1.3 a server looks at our certificate when our side is already done."""
    secured.settimeout(OBJECTION_S)
    try:
        if not secured.recv(1):
            raise OSError("it closed the connection on our certificate")
    except TimeoutError:
        return  # it waits for us to log in


class Publish(NamedTuple):
    """A message in a stream of packets, and where the next one begins."""

    packet: int
    topic: str
    payload: bytes
    end: int


def whole_publish(stream: bytes, at: int) -> Publish | None:
    """The message of QoS 0 or 1 at `at`; None where none is, or not all of it, or it is malformed.

    The same as paho reads, without its nine calls and five copies for each.
    """
    command = stream[at]
    if command >> 4 != _PUBLISH or command & 0b100:
        return None
    # the length: seven bits a byte, the lowest first
    size = shift = 0
    while True:
        at += 1
        if at == len(stream) or shift > 21:
            return None
        size |= (stream[at] & 127) << shift
        if stream[at] < 128:
            break
        shift += 7
    at, end = at + 1, at + 1 + size
    if size < 2 or end > len(stream):
        return None
    topic_at, numbered = at + 2, command & 0b10
    topic_end = topic_at + (stream[at] << 8 | stream[at + 1])
    payload_at = topic_end + 2 if numbered else topic_end
    if topic_end == topic_at or payload_at > end:
        return None
    packet = stream[topic_end] << 8 | stream[topic_end + 1] if numbered else 0
    topic = stream[topic_at:topic_end].decode(errors="replace")
    return Publish(packet, topic, stream[payload_at:end], end)


class _Client(mqtt.Client):
    """paho with a buffer before its socket: it asks for one byte, another, then for the rest.

    Messages that lie whole in the buffer are taken from there; paho reads all else.
    """

    def __init__(
        self,
        take: Callable[[int, str, bytes], None],
        **options: Any,  # noqa: ANN401  # paho's own
    ) -> None:
        self._take = take
        super().__init__(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, **options)
        self._held = b""
        self._at = 0
        self._held_of: Any = None

    @property
    def holds(self) -> bool:
        """Whether something was read of this connection that nobody has looked at yet."""
        return self._at < len(self._held) and self._held_of is self._sock

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self.holds:
            self._held, self._at = super()._sock_recv(max(bufsize, READ_BYTES)), 0
            self._held_of = self._sock
        data = self._held[self._at : self._at + bufsize]
        self._at += len(data)
        return data

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """See paho."""
        if self.holds and self._in_packet["command"] == 0:
            found = whole_publish(self._held, self._at)
            if found is not None:
                self._at = found.end
                self._take(found.packet, found.topic, found.payload)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super().loop_read(max_packets)

    def _handle_publish(self) -> MQTTErrorCode:
        """Hand a message on without paho's object, filters, log lines and three locks for each."""
        came = _packet.decode_publish(
            self._in_packet["command"], self._in_packet["packet"], self._protocol
        )
        self._take(came.mid, came.topic.decode(errors="replace"), bytes(came.payload))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def ack_all(self, packets: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1: one packet of ours to paho's queue, many to the broker."""
        data = b"".join([struct.pack("!BBH", _PUBACK, 2, packet) for packet in packets])
        self._packet_queue(_PUBACK, data, 0, 1)


class Connection:
    """Runs in the thread that calls `turn`; `wake` may be called from any."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: str,
        on_up: Callable[[], None],
        on_message: Callable[[int, int, str, bytes], None],
        on_published: Callable[[int], None] = lambda _: None,
        will: tuple[str, bytes] | None = None,
        clean: bool = True,
    ) -> None:
        """Prepare; the first `turn` connects.

        Args:
            settings: the broker.
            client_id: who we are; with `clean` false the same one finds its session again.
            on_up: called at each connection; subscribes.
            on_message: called with generation, packet id, topic and payload of each message.
            on_published: called with what `publish` returned, once the broker has the message.
            will: topic and payload that the broker publishes, retained, should we vanish.
            clean: whether the broker forgets our subscriptions and what waits when we leave.
        """
        self._settings, self._on_up, self._on_message = settings, on_up, on_message
        self._on_published = on_published
        client = _Client(self._message, client_id=client_id, clean_session=clean, manual_ack=True)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        self._tls = secure(client, settings)
        client.on_connect = self._connected
        client.on_publish = self._published
        client.on_disconnect = self._disconnected
        self._client = client
        self._reading_fd, self._writing_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.generation = 0
        self.up = False
        self._again_s = 0.0
        self._pause_s = 0.2
        self._count = 0
        self._resting = False
        self._misc_s = 0.0

    def wake(self) -> None:
        """End the current wait of `turn`; once closed there is none."""
        if self._writing_fd < 0:
            return
        try:
            os.write(self._writing_fd, b"x")
        except BlockingIOError:
            return  # it is full of wakes: one will do

    def turn(self, timeout_s: float, *, read: bool) -> bool:
        """One turn of the loop; with `read` false nothing is taken in. Returns whether it was."""
        connected = self._client.socket()
        if connected is None:
            self._reconnect(timeout_s)
            return False
        readers: list[Any] = [self._reading_fd]
        if read:
            readers.append(connected)
        writers = [connected] if self._client.want_write() else []
        pending = read and self._pending(connected)
        ready, writable, _ = select.select(readers, writers, [], 0.0 if pending else timeout_s)
        if self._reading_fd in ready:
            os.read(self._reading_fd, 65536)
        took = False
        if pending or connected in ready:
            took = self._read()
        if writable:
            self._client.loop_write()
        now_s = time.monotonic()
        if now_s - self._misc_s > 1.0:
            self._misc_s = now_s
            if not read:
                # the broker's answer to our ping waits unread: paho would take that for silence
                self._client._ping_t = 0.0  # noqa: SLF001
            self._client.loop_misc()
        return took

    def _pending(self, connected: Any) -> bool:  # noqa: ANN401  # paho's socket, of either kind
        """Whether there is something to read that `select` does not see."""
        if self._client.holds:
            return True
        return isinstance(connected, ssl.SSLSocket) and connected.pending() > 0

    def rest(self) -> None:
        """Called from `on_message`: take in no more in this turn."""
        self._resting = True

    def _read(self) -> bool:
        before, self._resting = self._count, False
        for _ in range(READS_PER_TURN):
            count = self._count
            if self._client.loop_read() != mqtt.MQTT_ERR_SUCCESS or self._count == count:
                break
            if self._resting:
                break
        return self._count > before

    def _reconnect(self, timeout_s: float) -> None:
        now_s = time.monotonic()
        if now_s < self._again_s:
            select.select([self._reading_fd], [], [], min(timeout_s, self._again_s - now_s))
            return
        self._again_s = now_s + self._pause_s
        self._pause_s = min(RECONNECT_MAX_S, self._pause_s * 2)
        self._take_new_certificate()
        try:
            self._client.connect(
                self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s
            )
        except OSError as error:
            log.warning("broker %s:%d: %s", self._settings.host, self._settings.port, error)

    def _take_new_certificate(self) -> None:
        """It may have been renewed since the last connection; half a one changes nothing."""
        if self._tls is None:
            return
        try:
            # first into a context of its own: a certificate without its key would stay in ours
            _context(self._settings)
            self._tls.load_cert_chain(str(self._settings.cert), str(self._settings.key))
        except (CloudConfigError, OSError, ssl.SSLError) as error:
            log.warning("the certificate stays as it was: %s", error)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for messages at QoS 1."""
        self._client.subscribe([(topic, 1) for topic in filters])

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Leave: the rest of the group takes over."""
        self._client.unsubscribe(list(filters))

    def ack(self, generation: int, packet: int) -> None:
        """Acknowledge a message, unless the connection that it came over is gone."""
        if packet and generation == self.generation and self.up:  # QoS 0 has no packet id
            self._client.ack(packet, 1)

    def ack_all(self, acks: Sequence[tuple[int, int]]) -> None:
        """Acknowledge messages, each a generation and a packet id, with one write."""
        if self.up:
            live = [packet for generation, packet in acks if generation == self.generation]
            if live := [packet for packet in live if packet]:
                self._client.ack_all(live)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send at QoS 1, again after a reconnection if need be; `on_published` gets the number."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def close(self) -> None:
        """Leave the broker; what still comes is not taken, and the end is no trouble to tell of."""
        self.up = False
        self._client.disconnect()
        for _ in range(20):
            if self._client.socket() is None:
                break
            self.turn(0.05, read=True)
        reading, writing = self._reading_fd, self._writing_fd
        self._reading_fd = self._writing_fd = -1
        os.close(reading)
        os.close(writing)

    def _message(self, packet: int, topic: str, payload: bytes) -> None:
        self._count += 1
        self._on_message(self.generation, packet, topic, payload)

    def _published(
        self,
        _client: mqtt.Client,
        _data: Any,  # noqa: ANN401  # paho's callback
        number: int,
        _reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._on_published(number)

    def _connected(
        self,
        _client: mqtt.Client,
        _data: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.error("the broker refused: %s", reason)
            return
        self.generation += 1
        self.up = True
        self._pause_s = 0.2
        self._on_up()

    def _disconnected(
        self,
        _client: mqtt.Client,
        _data: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self.up:
            log.warning("broker: %s", reason)
        self.up = False
