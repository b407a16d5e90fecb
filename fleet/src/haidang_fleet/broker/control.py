"""Speaks to the broker's dynamic-security plugin over `$CONTROL`, as an administrator by mTLS."""

import fcntl
import json
import os
import queue
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from haidang_fleet.broker.roles import Command, Rights, parse_clients, parse_roles
from haidang_fleet.errors import BrokerUnavailableError, FleetConfigError

TOPIC = "$CONTROL/dynamic-security/v1"
ANSWERS = f"{TOPIC}/response"
TIMEOUT_S = 15.0
PAGE = 500
BATCH_BYTES = 16 * 1024
"""Far below the broker's packet limit: it writes its whole file after each command, and does
nothing else until a message's last command is done."""

_FINE = frozenset({"Client already exists", "Client not found", "Role not found"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Where the broker is, and the administrator's certificate."""

    host: str
    port: int
    ca: Path
    cert: Path
    key: Path


class Control:
    """One administrator's connection, open only as long as it is needed.

    The broker names a client by its certificate, so a second connection of one administrator ends
    the first: a lock on the key's file keeps them one after the other.
    """

    def __init__(self, settings: AdminSettings) -> None:
        """Prepare; `connect` is the way to have one."""
        self._settings = settings
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.tls_set_context(_context(settings))
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _c, _u, message: self._answers.put(bytes(message.payload))
        client.on_disconnect = self._disconnected
        self._client = client

    @classmethod
    @contextmanager
    def connect(cls, settings: AdminSettings) -> Iterator[Self]:
        """Connect and subscribe; raises `BrokerUnavailableError` when that cannot be."""
        with _alone(settings.key):
            control = cls(settings)
            try:
                control._open()
                yield control
            finally:
                control._close()

    def _open(self) -> None:
        try:
            self._client.connect(self._settings.host, self._settings.port, keepalive=30)
        except OSError as error:
            raise self._unavailable(f"cannot be reached: {error}") from error
        self._client.loop_start()
        try:
            why = self._ready.get(timeout=TIMEOUT_S)
        except queue.Empty as error:
            raise self._unavailable(f"does not answer within {TIMEOUT_S:g} s") from error
        if why:
            raise self._unavailable(why)

    def _close(self) -> None:
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._ready.put(f"refuses us: {reason}")
        else:
            client.subscribe(ANSWERS, qos=1)

    def _subscribed(
        self,
        _client: mqtt.Client,
        _userdata: Any,  # noqa: ANN401  # paho's callback
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = any(reason.is_failure for reason in reasons)
        self._ready.put(
            "does not let us administer it: is this the administrator's certificate?"
            if refused
            else ""
        )

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: Any,  # noqa: ANN401  # paho's callback
        _flags: mqtt.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._ready.put("ended the connection at once: is our certificate revoked or expired?")
        self._answers.put(None)

    def _unavailable(self, why: str) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"the broker {self._settings.host}:{self._settings.port} {why}"
        )

    def rights(self) -> Rights:
        """All roles and clients that there are."""
        roles = parse_roles(self._listed("listRoles", "roles"))
        clients = parse_clients(self._listed("listClients", "clients"))
        return Rights(roles=roles, clients=clients)

    def rights_at(self, *, role: str, client: str) -> Rights:
        """One role and one client, where they are there."""
        roles = self._got({"command": "getRole", "rolename": role}, "role")
        clients = self._got({"command": "getClient", "username": client}, "client")
        return Rights(roles=parse_roles(roles), clients=parse_clients(clients))

    def _got(self, command: Command, field: str) -> list[Command]:
        answer = self._ask([command])[0]
        return [answer["data"][field]] if "data" in answer else []

    def _listed(self, command: str, field: str) -> list[Command]:
        found: list[Command] = []
        while True:
            ask = {"command": command, "verbose": True, "count": PAGE, "offset": len(found)}
            data = self._ask([ask])[0]["data"]
            found.extend(data[field])
            if not data[field] or len(found) >= int(data["totalCount"]):
                return found

    def run(self, commands: Sequence[Command]) -> None:
        """Run commands in their order; what is already so is well."""
        for batch in _batches(commands):
            answers = self._ask(batch)
            for command, answer in zip(batch, answers, strict=True):
                error = answer.get("error")
                if error is not None and not _already(command, str(error)):
                    raise BrokerUnavailableError(
                        f"the broker refused {command['command']} "
                        f"{command.get('username') or command.get('rolename')}: {error}"
                    )

    def _ask(self, commands: list[Command]) -> list[dict[str, Any]]:
        mark = uuid4().hex
        marked = [{**command, "correlationData": mark} for command in commands]
        self._client.publish(TOPIC, json.dumps({"commands": marked}), qos=1)
        answers: list[dict[str, Any]] = []
        while len(answers) < len(commands):
            try:
                payload = self._answers.get(timeout=TIMEOUT_S)
            except queue.Empty as error:
                raise BrokerUnavailableError(
                    f"the broker did not answer {commands[0]['command']} within {TIMEOUT_S:g} s"
                ) from error
            if payload is None:
                raise BrokerUnavailableError("the broker ended the administrator's connection")
            found = json.loads(payload)["responses"]
            answers.extend(one for one in found if one.get("correlationData") == mark)
        return answers


def _already(command: Command, error: str) -> bool:
    """Whether an error says that the command's aim is reached already."""
    word = str(command["command"])
    if word in ("createClient", "createRole"):
        return error.endswith("already exists")
    return word in ("deleteClient", "deleteRole") and error in _FINE


def _batches(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Commands in messages that do not keep the broker from its work for long."""
    batch: list[Command] = []
    size = 0
    for command in commands:
        own = len(json.dumps(command)) + 64
        if batch and size + own > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(command)
        size += own
    if batch:
        yield batch


def _context(settings: AdminSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(settings.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(settings.cert), str(settings.key))
    except (OSError, ssl.SSLError) as error:
        raise FleetConfigError(
            f"the administrator's certificate {settings.cert}, {settings.key}: {error}; make it "
            "with `haidang fleet service admin`"
        ) from error
    return context


@contextmanager
def _alone(key: Path) -> Iterator[None]:
    try:
        fd = os.open(key, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise FleetConfigError(
            f"the administrator's key {key}: cannot be read: {error.strerror}"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
