"""A coast with cameras for the console to show: a catalogue, stored rows, and nodes that speak."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import paho.mqtt.client as mqtt
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseDesk
from haidang_cloud.ingest import Directory
from haidang_cloud.people import Accounts
from haidang_cloud.state import State, outbox
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.lines import lines_of, lines_of_heartbeat
from haidang_cloud.timeseries.projection import buckets_over, ensure_buckets
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.messages import (
    Birth,
    CameraBirth,
    CameraHealth,
    CameraState,
    ClockState,
    Heartbeat,
    NodeState,
)
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.reasons import Reason, sentence
from haidang_protocols.wire.records import (
    Box,
    Event,
    Observation,
    Phase,
    RuleKind,
    ZoneCount,
    encode_record,
)
from haidang_protocols.wire.topics import NodeLeaf, Severity

CENTRE = "coast"
SECOND_NS = 10**9
SPOOL = "00112233aabbccdd"
PASSWORD = "mật khẩu dài 1"

_PLACES = """
  - {id: tinh, name: {vi: Bà Rịa – Vũng Tàu, en: Ba Ria – Vung Tau}, kind: province}
  - {id: vung-tau, name: {vi: Vũng Tàu, en: Vung Tau}, kind: city, parent: tinh,
     latitude: 10.372, longitude: 107.090}
  - {id: ba-ria, name: {vi: Bà Rịa, en: Ba Ria}, kind: city, parent: tinh,
     latitude: 10.499, longitude: 107.170}
  - {id: phu-my, name: {vi: Phú Mỹ, en: Phu My}, kind: city, parent: tinh,
     latitude: 10.590, longitude: 107.055}
  - {id: bai-sau, name: {vi: Bãi Sau, en: Back Beach}, kind: spot, parent: vung-tau,
     latitude: 10.343, longitude: 107.098}
  - {id: cho-vung-tau, name: {vi: Chợ Vũng Tàu, en: Vung Tau market}, kind: spot, parent: vung-tau,
     latitude: 10.356, longitude: 107.080}
  - {id: cho-ba-ria, name: {vi: Chợ Bà Rịa, en: Ba Ria market}, kind: spot, parent: ba-ria,
     latitude: 10.497, longitude: 107.167}
  - {id: nga-tu, name: {vi: Ngã tư Xóm Cát, en: Xom Cat junction}, kind: spot, parent: ba-ria,
     latitude: 10.507, longitude: 107.190}
  - {id: cang, name: {vi: Cảng Cái Mép, en: Cai Mep port}, kind: spot, parent: phu-my,
     latitude: 10.536, longitude: 107.030}
"""
_SPOTS = {
    "bai-sau": ("Bãi Sau", "Back Beach", "bs-1"),
    "cho-vung-tau": ("Chợ Vũng Tàu", "Vung Tau market", "vt-1"),
    "cho-ba-ria": ("Chợ Bà Rịa", "Ba Ria market", "br-1"),
    "nga-tu": ("Ngã tư Xóm Cát", "Xom Cat junction", "br-2"),
    "cang": ("Cổng cảng Cái Mép", "Cai Mep port gate", "pm-1"),
}
_PEOPLE = """
  - {login: lan, name: Trần Thị Lan, grants: [{role: leader, scope: centre}]}
  - {login: an, name: Nguyễn Văn An, grants: [{role: operator, scope: centre}]}
  - {login: binh, name: Lê Thanh Bình, grants: [{role: operator, scope: centre}]}
  - {login: chi, name: Phạm Thị Chi, grants: [{role: guard, scope: vung-tau}]}
  - {login: dung, name: Võ Anh Dũng, grants: [{role: technician, scope: centre}]}
  - {login: khanh, name: Hồ Quốc Khánh, grants: [{role: admin, scope: centre}]}
  - {login: giang, name: Đỗ Thu Giang, grants: [{role: auditor, scope: centre}]}
  - {login: hoa, name: Ngô Thị Hoa, grants: [{role: shift-leader, scope: centre}]}
  - {login: phuc, name: Mai Văn Phúc, grants: [{role: leader, scope: ba-ria}]}
"""


def _camera(spot: str, n: int) -> str:
    vi, en, node = _SPOTS[spot]
    return f"""
  - id: {spot}-{n}
    node: {node}
    name: {{vi: {vi} {n}, en: {en} {n}}}
    place: {spot}
    source: clip.mp4
    model: street
    zones:
      - {{id: loi-di, name: {{vi: Lối đi, en: Walkway}},
         polygon: [[0.05, 0.55], [0.6, 0.42], [0.72, 0.95], [0.08, 0.97]]}}
      - {{id: san, name: {{vi: Sân trong, en: Yard}},
         polygon: [[0.66, 0.4], [0.95, 0.42], [0.97, 0.8], [0.78, 0.86]]}}
    lines:
      - {{id: vach, name: {{vi: Vạch dừng, en: Stop line}}, points: [[0.2, 0.35], [0.85, 0.32]]}}
    rules:
      - {{id: dem, kind: intrusion, name: {{vi: Xâm nhập ban đêm, en: Night intrusion}}, zone: san,
         classes: [person], severity: critical, alarm: true, schedule: ["mon-sun 22:00-05:00"]}}
      - {{id: dong, kind: crowd, name: {{vi: Tụ tập đông, en: Crowd}}, zone: loi-di, count: 8,
         classes: [person], severity: warning, alarm: true}}
      - {{id: qua, kind: line, name: {{vi: Qua vạch dừng, en: Over the stop line}}, line: vach,
         classes: [car, motorcycle], severity: info, alarm: true}}"""


def text(cameras: int = 2, *, placed: bool = True) -> str:
    """The catalogue's YAML: so many cameras a spot, with or without coordinates."""
    places = _PLACES
    if not placed:
        lines = places.splitlines()
        places = "\n".join(line.rstrip(",") + "}" if line.endswith(",") else line for line in lines)
        places = "\n".join(line for line in places.splitlines() if "latitude" not in line)
    spots = [_camera(spot, n) for spot in _SPOTS for n in range(1, cameras + 1)]
    return f"""
centre: {{id: {CENTRE}, name: {{vi: Trung tâm Bà Rịa – Vũng Tàu, en: Ba Ria – Vung Tau centre}},
         time_zone: Asia/Ho_Chi_Minh}}
places:{places}
scopes:
  - {{id: centre, kind: centre, name: {{vi: Toàn tỉnh, en: Whole province}}}}
  - {{id: vung-tau, kind: locality, name: {{vi: Vũng Tàu, en: Vung Tau}}, places: [vung-tau]}}
  - {{id: ba-ria, kind: locality, name: {{vi: Bà Rịa, en: Ba Ria}}, places: [ba-ria]}}
  - {{id: phu-my, kind: locality, name: {{vi: Phú Mỹ, en: Phu My}}, places: [phu-my]}}
roles:
  - {{id: leader, name: {{vi: Lãnh đạo, en: Leader}}, rights: [case.read, board.read,
     snapshot.read]}}
  - {{id: shift-leader, name: {{vi: Trưởng ca, en: Shift leader}}, rights: [case.read, case.answer,
     snapshot.read, node.read, board.read, catalogue.publish]}}
  - {{id: operator, name: {{vi: Trực ban, en: Operator}}, rights: [case.read, case.answer,
     snapshot.read, node.read, board.read]}}
  - {{id: guard, name: {{vi: Bảo vệ, en: Guard}}, rights: [case.read, case.answer, snapshot.read]}}
  - {{id: technician, name: {{vi: Kỹ thuật, en: Technician}}, rights: [node.read, node.command]}}
  - {{id: auditor, name: {{vi: Kiểm toán, en: Auditor}}, rights: [case.read, audit.read]}}
  - {{id: admin, name: {{vi: Quản trị, en: Administrator}}, rights: [case.read, case.answer,
     snapshot.read, node.read, node.command, board.read, audit.read, catalogue.publish,
     people.manage]}}
people:{_PEOPLE}
sites:
{chr(10).join(f"  - {{id: {s}, name: {{vi: {v[0]}}}, place: {s}}}" for s, v in _SPOTS.items())}
nodes:
{chr(10).join(f"  - {{id: {v[2]}, site: {s}}}" for s, v in _SPOTS.items())}
models:
  - {{name: street, classes: [person, car, motorcycle]}}
cameras:{"".join(spots)}
"""


def coast(cameras: int = 2, *, placed: bool = True) -> Catalogue:
    """The catalogue, loaded and checked as any other."""
    return load_texts({"coast.yaml": text(cameras, placed=placed)})


_RULES: dict[str, tuple[RuleKind, str, str, Severity]] = {
    "dem": (RuleKind.INTRUSION, "san", "person", Severity.CRITICAL),
    "dong": (RuleKind.CROWD, "loi-di", "person", Severity.WARNING),
    "qua": (RuleKind.LINE, "", "motorcycle", Severity.INFO),
}


def event_of(camera: Camera, rule: str, t: int, event: str, **changes: Any) -> Event:
    """An event of a camera of this catalogue."""
    kind, zone, label, severity = _RULES[rule]
    values: dict[str, Any] = {
        "t": t,
        "camera": camera.id,
        "rule": rule,
        "type": kind,
        "phase": Phase.MOMENT if kind is RuleKind.LINE else Phase.BEGIN,
        "event": event,
        "severity": severity,
        "alarm": True,
        "zone": zone,
        "cls": label,
        "score": 0.8,
        "box": (0.68, 0.45, 0.76, 0.78),
        "snapshot": True,
    }
    return Event(**{**values, **changes})


Paint = Callable[[Camera, int], tuple[bytes, Box | None]]
"""A picture that a camera takes at a time, and which part of what it sees that is."""


class Coast:
    """What a centre has stored, written as its other processes would."""

    def __init__(
        self, catalogue: Catalogue, state: State, series: TimeSeries, blobs: Blobs
    ) -> None:
        self.catalogue, self.state, self.series, self.blobs = catalogue, state, series, blobs
        self.desk = CaseDesk(state, CENTRE)
        self.seq = 0
        self.paint: Paint = lambda _camera, now_ns: (street(seed=now_ns % 997), None)
        self._directory = Directory(catalogue, 1)
        ensure_buckets(series, catalogue)

    def people(self, accounts: Accounts) -> None:
        """Everybody of the catalogue, with one password."""
        with self.state.write() as connection:
            accounts.synchronise(connection, self.catalogue, 1)
        for person in self.catalogue.people:
            now_ns = time.time_ns()
            link = accounts.password_link(person.login, actor="test", now_ns=now_ns)
            accounts.use_password_link(link, PASSWORD, now_ns=now_ns)

    def alarm(
        self, camera: str, rule: str, *, age_s: float = 0.0, picture: bool = True, **changes: Any
    ) -> str:
        """An alarm that was seen so long ago: a case, an event, a picture; gives the case's id."""
        found = next(one for one in self.catalogue.cameras if one.id == camera)
        self.seq += 1
        t = time.time_ns() - int(age_s * SECOND_NS)
        record = record_id(found.node, SPOOL, self.seq)
        event = event_of(found, rule, t, f"e{self.seq}", **changes)
        row = Alarm(
            centre=CENTRE,
            record_id=record,
            site=found.place,
            node=found.node,
            received_ns=t,
            payload=encode_record(event),
        )
        if picture:
            self.keep(record, found, now_ns=t)
        outbox.add(self.state, [row])
        self.desk.consume(self._directory.owner, now_ns=t)
        self.write(event, record=record)
        return f"alert-{record.replace('.', '-')}"

    def keep(self, record: str, camera: Camera, *, now_ns: int) -> None:
        """Keep a picture that a camera took, for a day."""
        shown, crop = self.paint(camera, now_ns)
        self.blobs.put(
            record, shown, camera=camera.id, now_ns=now_ns, keep_ns=86_400 * SECOND_NS, crop=crop
        )

    def write(self, *given: Event | Observation, record: str = "") -> None:
        """Put events and counts where they are read from."""
        lines: dict[str, list[bytes]] = {}
        for one in given:
            camera = next(c for c in self.catalogue.cameras if c.id == one.camera)
            number = record or f"{camera.node}.{SPOOL}.{one.t}"
            made = lines_of(one, site=camera.place, node=camera.node, record_id=number)
            buckets = [private_bucket(CENTRE)]
            if isinstance(one, Event):
                buckets += buckets_over(self.catalogue, camera.place)
            for bucket in buckets:
                lines.setdefault(bucket, []).extend(line.encode() for line in made)
        for bucket, some in lines.items():
            self.series.write(bucket, some)

    def hour(self, *, seed: int = 1, away: Mapping[str, range] | None = None) -> None:
        """An hour of life: events and counts; some cameras were away so many minutes ago."""
        chance = np.random.default_rng(seed)
        now_ns = time.time_ns()
        given: list[Event | Observation] = []
        for number, camera in enumerate(self.catalogue.cameras):
            busy = 0.3 + 2.2 * float(chance.random())
            gone = (away or {}).get(camera.id, range(0))
            for minute in (one for one in range(60) if one not in gone):
                t = now_ns - minute * 60 * SECOND_NS - number
                wave = 2 + math.sin((minute + number * 7) / 9)
                crowd = max(0.0, busy * wave + float(chance.normal()) / 2)
                counts = (
                    ZoneCount(zone="loi-di", cls="person", mean=round(crowd, 2), max=9),
                    ZoneCount(zone="san", cls="person", mean=round(crowd / 4, 2), max=3),
                )
                given.append(
                    Observation(t=t, camera=camera.id, interval_s=60, frames=300, counts=counts)
                )
                for n in range(chance.poisson(busy / 4)):
                    rule = str(chance.choice(["dong", "qua", "qua"]))
                    at = t - int(chance.random() * 55 * SECOND_NS) - n
                    given.append(event_of(camera, rule, at, f"h{at}", alarm=False))
        self.write(*given)


def street(*, seed: int = 0, width: int = 640, height: int = 360) -> bytes:
    """A drawn street as a JPEG, with pixelated figures."""
    chance = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float64)
    sky, far = np.array([38, 58, 92]), np.array([196, 160, 128])
    shade = np.linspace(0, 1, int(height * 0.42))[:, None, None]
    picture[: shade.shape[0]] = sky * (1 - shade) + far * shade
    picture[shade.shape[0] :] = np.linspace(96, 66, height - shade.shape[0])[:, None, None]
    for x in range(0, width, 64):
        top = int(height * (0.18 + 0.2 * chance.random()))
        picture[top : int(height * 0.45), x : x + 58] = chance.integers(60, 120, 3)
    for y in range(int(height * 0.5), height, 34):
        picture[y : y + 5, int(width * 0.3) : int(width * 0.36)] = 190
    for _ in range(int(chance.integers(2, 6))):
        x, y = int(chance.integers(20, width - 60)), int(chance.integers(150, height - 110))
        blocks = chance.integers(40, 200, (7, 3, 3)).repeat(12, axis=0).repeat(12, axis=1)
        picture[y : y + blocks.shape[0], x : x + blocks.shape[1]] = blocks[: height - y]
    picture += chance.normal(0, 4, picture.shape)
    return jpeg_of(np.clip(picture, 0, 255).astype(np.uint8))


def jpeg_of(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels as a JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = pixels.shape[1], pixels.shape[0]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


class Nodes:
    """The catalogue's nodes at the broker: births, states, and a heartbeat now and then."""

    def __init__(self, catalogue: Catalogue, port: int, *, every_s: float = 2.0) -> None:
        self.catalogue, self._every_s = catalogue, every_s
        self.broken: dict[str, tuple[CameraState, Reason | None]] = {}
        self.reasons: dict[str, Reason] = {}
        self.runs: dict[str, int] = {}
        self.absent: set[str] = set()
        self.spools: dict[str, tuple[int, float]] = {}
        self.heat: dict[str, float] = {}
        self.silent: set[str] = set()
        self._stop = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> "Nodes":
        """Tell of every node, and go on telling."""
        for node in self.catalogue.nodes:
            if node.id not in self.silent:
                self.declare(node.id)
                self.connect(node.id)
        self.beat()
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.beat()

    def beat(self) -> None:
        """One heartbeat of each node that speaks."""
        for node in self.catalogue.nodes:
            if node.id not in self.silent:
                self.say(node.site, node.id, NodeLeaf.HEARTBEAT, self.heartbeat(node.id))

    def declare(self, node: str) -> None:
        """Say which version a node runs (`runs`), and why it is no newer one (`reasons`)."""
        self.say(self._site(node), node, NodeLeaf.BIRTH, self.birth(node), retain=True)

    def connect(self, node: str, *, online: bool = True) -> None:
        """A node comes to the broker, or is lost to it, which its will says without a time."""
        state = NodeState(online=online, at=time.time_ns() if online else 0)
        self.say(self._site(node), node, NodeLeaf.STATE, state, retain=True)

    def _site(self, node: str) -> str:
        return next(one.site for one in self.catalogue.nodes if one.id == node)

    def clock(self) -> ClockState:
        return ClockState(
            boot="aabbccdd", mono=time.monotonic_ns(), wall=time.time_ns(), synced=True
        )

    def birth(self, node: str) -> Birth:
        cameras = tuple(
            CameraBirth(id=camera.id, model="street", width=1280, height=720)
            for camera in self.catalogue.cameras_of(node)
        )
        reason = self.reasons.get(node)
        return Birth(
            spool=SPOOL,
            next_seq=1,
            agent="0.1.0",
            cameras=cameras,
            models={"street": "9f2c" * 16},
            clock=self.clock(),
            catalogue=self.runs.get(node, 1),
            reason=sentence(reason),
            because=reason,
        )

    def heartbeat(self, node: str) -> Heartbeat:
        cameras = []
        for camera in self.catalogue.cameras_of(node):
            if camera.id in self.absent:
                continue
            state, why = self.broken.get(camera.id, (CameraState.LIVE, None))
            fine = state is CameraState.LIVE
            cameras.append(
                CameraHealth(
                    id=camera.id,
                    state=state,
                    why=sentence(why),
                    because=why,
                    frame_age_s=0.2 if fine else 41.0,
                    fps=5.0 if fine else 0.0,
                    looked=100,
                )
            )
        depth, oldest_s = self.spools.get(node, (0, 0.1))
        reason = self.reasons.get(node)
        return Heartbeat(
            at=time.time_ns(),
            clock=self.clock(),
            cameras=tuple(cameras),
            inference_p95_ms=42.0,
            spool_depth=depth,
            spool_bytes=depth * 400,
            oldest_unsent_s=oldest_s,
            temperature_c=self.heat.get(node, 51.5),
            throttled=False,
            last_reason=sentence(reason),
            because=reason,
        )

    def store(self, series: TimeSeries, *, minutes: int = 60, buckets: Sequence[str]) -> None:
        """What the nodes said in the past."""
        for node in self.catalogue.nodes:
            for n in range(minutes * 2):
                beat = self.heartbeat(node.id)
                at = beat.at - n * 30 * SECOND_NS
                told = Heartbeat(
                    at=at,
                    clock=beat.clock,
                    cameras=beat.cameras,
                    inference_p95_ms=40 + 8 * math.sin(n / 9),
                    spool_depth=beat.spool_depth,
                    oldest_unsent_s=beat.oldest_unsent_s,
                    temperature_c=50 + 4 * math.sin(n / 20),
                )
                lines = lines_of_heartbeat(told, site=node.site, node=node.id)
                for bucket in buckets:
                    series.write(bucket, [line.encode() for line in lines])

    def say(
        self,
        site: str,
        node: str,
        leaf: NodeLeaf,
        message: messages.Message,
        *,
        retain: bool = False,
    ) -> None:
        """Publish as a node."""
        topic = topics.node_topic(CENTRE, site, node, leaf)
        self._client.publish(topic, messages.encode(message), qos=1, retain=retain)

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
