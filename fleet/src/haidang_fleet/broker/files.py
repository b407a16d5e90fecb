"""The broker's files: mosquitto's configuration, the first rights, a site's bridge.

Numbers here: a message is at most 256 KiB (a snapshot) and its topic, so 300,000 bytes a packet;
queues are for the seconds that a reader is away, since the nodes' spools hold the rest.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from haidang_fleet.broker.identities import Identity, Kind, rights_of
from haidang_fleet.broker.roles import DEFAULT_ACCESS, Rights, client_of, role_of
from haidang_fleet.errors import FleetConfigError
from haidang_protocols.wire.acl import Acl, Verb

PACKET_BYTES_MAX = 300_000
QUEUED_MAX = 100_000
IN_FLIGHT_MAX = 500

CONF_FILE = "mosquitto.conf"
RIGHTS_FILE = "dynamic-security.json"
CA_FILE = "ca.crt"
CRL_FILE = "crl.pem"
CERT_FILE = "server.crt"
KEY_FILE = "server.key"
BRIDGE_CERT_FILE = "bridge.crt"
BRIDGE_KEY_FILE = "bridge.key"

_PLUGIN = "mosquitto_dynamic_security.so"
_PLUGIN_HOMES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "~/.local/lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where mosquitto listens and what it is given.

    Attributes:
        folder: the broker's folder as mosquitto sees it.
        data: where it keeps its memory; it must be its own to write, as must the folder's rights.
        bind: the address to listen on; empty is all.
        plugin: the dynamic-security plugin; empty is looked for.
        user: whom mosquitto becomes when it is started as root; empty is its own default.
    """

    folder: Path
    data: Path
    port: int = 8883
    bind: str = ""
    plugin: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A site's broker's link to the centre's."""

    name: str
    host: str
    port: int
    lines: tuple[Acl, ...]


def find_plugin() -> str:
    """Where the system keeps the plugin; raises `FleetConfigError` when it is not there."""
    for home in _PLUGIN_HOMES:
        for pattern in (_PLUGIN, f"*/{_PLUGIN}"):
            found = sorted(Path(home).expanduser().glob(pattern))
            if found:
                return str(found[0])
    raise FleetConfigError(
        f"{_PLUGIN} is not below {', '.join(_PLUGIN_HOMES)}: install mosquitto, or name the file "
        "under broker.plugin"
    )


def mosquitto_conf(settings: ListenerSettings, *, bridge: Bridge | None = None) -> str:
    """The whole configuration: one listener, TLS 1.3, a certificate for everybody."""
    at = settings.folder
    lines = [
        "# Written by haidang fleet broker config: change fleet.yaml, not this file.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"plugin {settings.plugin or find_plugin()}",
        f"plugin_opt_config_file {at / RIGHTS_FILE}",
        *([f"user {settings.user}"] if settings.user else []),
        "",
        "# a convenience: what counts is in the nodes' spools until the centre has stored it",
        "persistence true",
        f"persistence_location {settings.data}/",
        "autosave_interval 60",
        "",
        f"max_packet_size {PACKET_BYTES_MAX}",
        f"max_queued_messages {QUEUED_MAX}",
        f"max_inflight_messages {IN_FLIGHT_MAX}",
        "persistent_client_expiration 7d",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "",
        f"listener {settings.port} {settings.bind}".rstrip(),
        "tls_version tlsv1.3",
        f"cafile {at / CA_FILE}",
        f"certfile {at / CERT_FILE}",
        f"keyfile {at / KEY_FILE}",
        f"crlfile {at / CRL_FILE}",
        "require_certificate true",
        "use_identity_as_username true",
        "# a client is who its certificate says: nobody takes another's session",
        "use_username_as_clientid true",
    ]
    if bridge is not None:
        lines += ["", *_bridge(at, bridge)]
    return "\n".join(lines) + "\n"


def _bridge(at: Path, bridge: Bridge) -> Iterable[str]:
    """A bridge keeps no queue of what is cut off: the spools send again, once."""
    yield from (
        f"connection {bridge.name}",
        f"address {bridge.host}:{bridge.port}",
        f"remote_clientid {bridge.name}",
        f"local_clientid {bridge.name}.local",
        "bridge_tls_version tlsv1.3",
        f"bridge_cafile {at / CA_FILE}",
        f"bridge_certfile {at / BRIDGE_CERT_FILE}",
        f"bridge_keyfile {at / BRIDGE_KEY_FILE}",
        f"bridge_max_packet_size {PACKET_BYTES_MAX}",
        "cleansession true",
        "local_cleansession true",
        "notifications false",
        "keepalive_interval 15",
        "restart_timeout 1 30",
        "start_type automatic",
    )
    ways = {Verb.PUBLISH: "out", Verb.RECEIVE: "in"}
    for line in bridge.lines:
        if line.verb in ways:
            yield f"topic {line.filter} {ways[line.verb]} 1"


def rights_json(rights: Rights, *, admins: Iterable[str] = ()) -> str:
    """The plugin's file for a broker that never ran: wanted rights and the administrators."""
    bosses = [Identity(kind=Kind.ADMIN, name=name) for name in admins]
    roles = [*rights.roles.values()]
    if bosses:
        roles.append(role_of(bosses[0], rights_of(bosses[0])))
    clients = [*rights.clients.values(), *(client_of(boss) for boss in bosses)]
    document = {
        "defaultACLAccess": DEFAULT_ACCESS,
        "clients": [{"username": c.name, "roles": c.listed()} for c in clients],
        "groups": [],
        "roles": [{"rolename": r.name, "acls": r.acls()} for r in roles],
    }
    return json.dumps(document, indent=1) + "\n"
