"""The ingest bench's load: a province of 256 cameras whose events come in real envelopes.

Each record spells out what the wire leaves at its default, and the id that Haidang derives: so that
the peer, which can do neither, stores the same values from the same bytes. Haidang reads over what
it does not need.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from haidang_protocols.wire import topics
from haidang_protocols.wire.records import Event, Phase, RuleKind, encode_batch, encode_record
from haidang_protocols.wire.topics import NodeLeaf, Severity

SITES, NODES, CAMERAS = 4, 8, 8
CLASSES = ("person", "car", "truck", "forklift", "helmet", "dog")
ALARM_EVERY = 2000
STEP_NS = 1024
"""Times are whole multiples of it: the peer's parser reads them through a float of 53 bits."""

TEXTS = ("id", "event", "rule", "alarm", "synced")
NUMBERS = ("score", "track", "duration_s")
OURS = (*TEXTS, *NUMBERS, "x0", "y0", "x1", "y1")
PEERS = (*TEXTS, *NUMBERS, "box_0", "box_1", "box_2", "box_3")
"""The fields as each arm names them, in the same order."""

CATALOGUE = """
centre: {{id: {centre}, name: {{vi: Đo}}, time_zone: Asia/Ho_Chi_Minh}}
places: [{{id: city, name: {{vi: Thành phố}}, kind: city}}]
scopes: [{{id: centre, kind: centre, name: {{vi: Toàn tỉnh}}}}]
models: [{{name: m, classes: [{classes}]}}]
sites: [{sites}]
nodes: [{nodes}]
cameras:
{cameras}
"""
CAMERA = (
    "  - {{id: {camera}, node: {node}, name: {{vi: Máy}}, place: city, source: a.mp4, model: m,"
    " zones: [{{id: gate, name: {{vi: Cổng}}, polygon: [[0, 0], [1, 0], [1, 1]]}}],"
    " rules: [{{id: intrusion, kind: intrusion, name: {{vi: Xâm nhập}}, zone: gate,"
    " classes: [person]}}]}}"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One record on its way: whose, its sequence, its event, its bytes."""

    site: str
    node: str
    spool: str
    seq: int
    event: Event
    raw: bytes


def site_name(site: int) -> str:
    return f"site-{site:02d}"


def node_name(site: int, node: int) -> str:
    return f"node-{site}{node}"


def camera_name(site: int, node: int, camera: int) -> str:
    return f"cam-{site}{node}{camera}"


def catalogue(centre: str) -> str:
    """The catalogue of the load, as YAML."""
    all_nodes = [(s, n) for s in range(SITES) for n in range(NODES)]
    return CATALOGUE.format(
        centre=centre,
        classes=", ".join(CLASSES),
        sites=", ".join(
            f"{{id: {site_name(s)}, name: {{vi: S}}, place: city}}" for s in range(SITES)
        ),
        nodes=", ".join(f"{{id: {node_name(s, n)}, site: {site_name(s)}}}" for s, n in all_nodes),
        cameras="\n".join(
            CAMERA.format(camera=camera_name(s, n, c), node=node_name(s, n))
            for s, n in all_nodes
            for c in range(CAMERAS)
        ),
    )


def sent(first: int, count: int, *, base_ns: int) -> Iterator[Sent]:
    """Records `first` … of the load, the same whenever they are made."""
    rnd = random.Random(first)
    for number in range(first, first + count):
        turn, node = divmod(number // SITES, NODES)
        yield _sent(number, number % SITES, node, turn, base_ns, rnd)


def _sent(number: int, site: int, node: int, turn: int, base_ns: int, rnd: random.Random) -> Sent:
    ends = turn % 2 == 1
    event = Event(
        t=base_ns + number * STEP_NS,
        boot="3f2a9c01",
        mono=number * STEP_NS,
        camera=camera_name(site, node, turn % CAMERAS),
        rule="intrusion",
        type=RuleKind.INTRUSION,
        phase=Phase.END if ends else Phase.BEGIN,
        event=f"{rnd.getrandbits(48):012x}",
        severity=Severity.WARNING,
        alarm=number % ALARM_EVERY == 0,
        zone="gate",
        cls=rnd.choice(CLASSES),
        track=rnd.randrange(1, 99_999),
        score=_share(rnd),
        box=(_share(rnd), _share(rnd), _share(rnd), _share(rnd)),
        duration_s=round(rnd.uniform(1, 90), 2) if ends else None,
        model="m",
    )
    name, spool, seq = node_name(site, node), f"{site:08x}{node:08x}", turn + 1
    raw = encode_record(event)[:-1] + b',"synced":true,"id":"%s.%s.%d"' % (
        name.encode(),
        spool.encode(),
        seq,
    )
    raw += b"}" if event.alarm else b',"alarm":false}'
    return Sent(site_name(site), name, spool, seq, event, raw)


def _share(rnd: random.Random) -> float:
    return round(rnd.uniform(0.01, 0.99), 4)


def packets(records: Sequence[Sent], *, centre: str, k: int, packet: int = 0) -> list[bytes]:
    """MQTT PUBLISH packets of `k` records of one node each; ids go on after `packet`."""
    waiting: dict[str, list[Sent]] = {}
    found: list[bytes] = []

    def flush(node: str) -> None:
        batch = waiting.pop(node)
        found.append(_publish(batch, centre, packet + len(found)))

    for record in records:
        batch = waiting.setdefault(record.node, [])
        batch.append(record)
        if len(batch) >= k:
            flush(record.node)
    for node in list(waiting):
        flush(node)
    return found


def _publish(batch: Sequence[Sent], centre: str, number: int) -> bytes:
    head = batch[0]
    payload = encode_batch(
        spool=head.spool,
        centre=centre,
        site=head.site,
        node=head.node,
        records=[(record.seq, record.raw) for record in batch],
        sent=head.event.t,
    )
    topic = topics.node_topic(centre, head.site, head.node, NodeLeaf.RECORDS).encode()
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", number % 65535 + 1) + payload
    return b"\x32" + length(len(body)) + body


def length(size: int) -> bytes:
    """MQTT's variable-length number."""
    found = bytearray()
    while True:
        size, low = divmod(size, 128)
        found.append(low | (0x80 if size else 0))
        if not size:
            return bytes(found)
