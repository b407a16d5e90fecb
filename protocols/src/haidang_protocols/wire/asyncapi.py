"""The wire's topics as an AsyncAPI 3 document, from the centre's side of the broker."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from haidang_protocols.wire import topics
from haidang_protocols.wire.names import NAME_PATTERN, NAME_RULE, RESERVED
from haidang_protocols.wire.records import BATCH_BYTES_MAX, BATCH_RECORDS_MAX, MESSAGE_BYTES_MAX
from haidang_protocols.wire.topics import NodeLeaf, Severity

COMMAND_EXPIRY_S = 30
_BINDING = "0.2.0"
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic: who sends on it, how the broker treats it, what it carries.

    Attributes:
        up: it comes in at the centre; else the centre sends it.
        payload: name of the payload's schema, "" where the wire lays down no form yet.
    """

    name: str
    address: str
    up: bool
    qos: int
    retain: bool
    payload: str
    about: str
    expiry_s: int = 0


def _node(leaf: NodeLeaf, tail: str | None = None) -> str:
    return topics.node_topic("{centre}", "{site}", "{node}", leaf, tail)


CHANNELS: tuple[Channel, ...] = (
    Channel(
        name="records",
        address=_node(NodeLeaf.RECORDS),
        up=True,
        qos=1,
        retain=False,
        payload="batch",
        about=f"At most {BATCH_RECORDS_MAX} records or {BATCH_BYTES_MAX // 1024} KiB: events, "
        "observations, gaps. Sent again until the watermark says that they are stored.",
    ),
    Channel(
        name="stored",
        address=_node(NodeLeaf.STORED),
        up=False,
        qos=1,
        retain=True,
        payload="watermark",
        about="What the centre has stored. Only this trims a node's spool; a PUBACK does not.",
    ),
    Channel(
        name="birth",
        address=_node(NodeLeaf.BIRTH),
        up=True,
        qos=1,
        retain=True,
        payload="birth",
        about="Who the node is: spool, cameras, models, clock.",
    ),
    Channel(
        name="state",
        address=_node(NodeLeaf.STATE),
        up=True,
        qos=1,
        retain=True,
        payload="state",
        about="Online or offline; the node's will, delayed by 20 s, says offline.",
    ),
    Channel(
        name="heartbeat",
        address=_node(NodeLeaf.HEARTBEAT),
        up=True,
        qos=0,
        retain=False,
        payload="heartbeat",
        about="Every 10 s: cameras, inference, spool, temperature, clock.",
    ),
    Channel(
        name="alarm",
        address=_node(NodeLeaf.ALARM),
        up=True,
        qos=1,
        retain=False,
        payload="case",
        about="A provisional case, told by the node itself while the centre is out of reach; staff "
        "of its site hear it. The same case id follows from the centre.",
    ),
    Channel(
        name="desired",
        address=_node(NodeLeaf.DESIRED),
        up=False,
        qos=1,
        retain=True,
        payload="desired",
        about="The part of the catalogue in force that is the node's, signed by a worker of the "
        "centre. What the node runs of it, or why not, its birth tells.",
    ),
    Channel(
        name="reported",
        address=_node(NodeLeaf.REPORTED),
        up=True,
        qos=1,
        retain=True,
        payload="",
        about="What is in force, and why not what is wanted. Reserved: nothing is sent yet.",
    ),
    Channel(
        name="command",
        address=_node(NodeLeaf.COMMAND, "{verb}"),
        up=False,
        qos=1,
        retain=False,
        payload="command",
        about="Asks a node to do something; always answered under the same id.",
        expiry_s=COMMAND_EXPIRY_S,
    ),
    Channel(
        name="reply",
        address=_node(NodeLeaf.REPLY),
        up=True,
        qos=1,
        retain=False,
        payload="reply",
        about="The answer to a command.",
        expiry_s=COMMAND_EXPIRY_S,
    ),
    Channel(
        name="snapshot",
        address=_node(NodeLeaf.SNAPSHOT, "{record}"),
        up=True,
        qos=1,
        retain=False,
        payload="snapshot-header",
        about="An event's redacted picture, at most 200 KiB: four bytes with the header's length "
        "(big-endian), the header as JSON, the JPEG. It is acknowledged by the same watermark.",
    ),
    Channel(
        name="case",
        address=topics.case_filter("{centre}", "{scope}", "{severity}"),
        up=False,
        qos=1,
        retain=False,
        payload="case",
        about="A case told to the staff of a scope: raised, changed, closed.",
    ),
    Channel(
        name="answer",
        address=topics.answer_topic("{centre}", "{scope}", "{case}"),
        up=True,
        qos=1,
        retain=False,
        payload="answer",
        about="A person's answer to a case: acknowledged, on scene, false, done.",
    ),
    Channel(
        name="ingest",
        address=topics.ingest_topic("{centre}", "{worker}"),
        up=False,
        qos=1,
        retain=True,
        payload="ingest-state",
        about="Whether an ingest worker is up, and its will; nodes keep spooling while none is.",
    ),
)
"""Every topic of the wire."""

_PARAMETERS: Mapping[str, dict[str, Any]] = {
    "centre": {"description": f"The centre's id: {NAME_RULE}."},
    "site": {
        "description": f"The site's id: {NAME_RULE}. Reserved: {', '.join(sorted(RESERVED))}."
    },
    "node": {"description": f"The node's id, the CN of its certificate: {NAME_RULE}."},
    "verb": {"description": f"What is asked for: {NAME_RULE}."},
    "record": {"description": "The event's record id: node.spool.seq."},
    "scope": {"description": f"The scope's id: {NAME_RULE}."},
    "severity": {
        "description": "How soon somebody must look.",
        "enum": [severity.value for severity in Severity],
    },
    "case": {"description": "The case's id, derived from its record's."},
    "worker": {"description": f"The worker's name in its group: {NAME_RULE}."},
}


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document; payloads point into `schemas/` beside it."""
    messages = {c.payload: _message(c.payload) for c in CHANNELS if c.payload}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Haidang's wire",
            "version": topics.ROOT.rpartition("/")[2],
            "license": {"name": "Apache-2.0"},
            "description": _about(),
        },
        "defaultContentType": _JSON,
        "channels": {c.name: _channel(c) for c in CHANNELS},
        "operations": {c.name: _operation(c) for c in CHANNELS},
        "components": {
            "parameters": dict(_PARAMETERS),
            "messages": {**messages, "reserved": _reserved()},
        },
    }


def _about() -> str:
    return (
        "Generated from haidang_protocols.wire; see architecture.md. MQTT 5. Operations are the "
        "centre's: it receives what nodes and staff send. Payloads carry an integer v; unknown "
        "fields are ignored, new ones are optional. A message of more than "
        f"{MESSAGE_BYTES_MAX // 1024} KiB is refused. Names match {NAME_PATTERN}."
    )


def _message(payload: str) -> dict[str, Any]:
    schema = {"$ref": f"schemas/{payload}.json"}
    if payload == "snapshot-header":
        # a picture behind a header has no JSON Schema of its own
        return {
            "name": payload,
            "contentType": "application/octet-stream",
            "payload": {"type": "string", "format": "binary"},
            "x-header": schema,
        }
    return {"name": payload, "contentType": _JSON, "payload": schema}


def _reserved() -> dict[str, Any]:
    return {"name": "reserved", "contentType": _JSON, "payload": {"type": "object"}}


def _names(address: str) -> Iterator[str]:
    for word in address.split("/"):
        if word.startswith("{"):
            yield word[1:-1]


def _channel(channel: Channel) -> dict[str, Any]:
    message = channel.payload or "reserved"
    return {
        "address": channel.address,
        "description": channel.about,
        "parameters": {
            name: {"$ref": f"#/components/parameters/{name}"} for name in _names(channel.address)
        },
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    message = channel.payload or "reserved"
    mqtt: dict[str, Any] = {"qos": channel.qos, "retain": channel.retain}
    if channel.expiry_s:
        mqtt["messageExpiryInterval"] = channel.expiry_s
    return {
        "action": "receive" if channel.up else "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{message}"}],
        "bindings": {"mqtt": {**mqtt, "bindingVersion": _BINDING}},
    }
