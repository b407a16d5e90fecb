"""Records into line protocol, and line protocol into points.

A `LineMaker` runs for every record that a province sends: its tag part is cached, the rest is one
format. Ids and tracks are fields, never tags: as tags they would make a series per person.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from haidang_cloud.timeseries.base import FieldValue, Point
from haidang_protocols.wire.messages import Heartbeat
from haidang_protocols.wire.records import Event, Gap, Observation, Record

INTEGERS: Mapping[str, frozenset[str]] = {
    "event": frozenset({"track", "count"}),
    "observation": frozenset({"max", "frames"}),
    "crossing": frozenset({"forward", "backward"}),
    "gap": frozenset({"count"}),
    "node": frozenset({"spool_depth", "spool_bytes", "dropped"}),
    "camera": frozenset({"looked", "restarts"}),
}
"""Fields that are whole numbers: InfluxDB's JSON answers do not tell 1 from 1.0."""

OTHER = "other"
HEADS_KEPT = 65_536
_ENCODER = msgspec.json.Encoder()
_NO_BOX = (None, None, None, None)
Known = Callable[[str, str], bool]


def tag(value: str) -> str:
    """A tag value, escaped; line breaks cannot be, and become blanks."""
    if value.isalnum():
        return value
    value = value.replace("\n", " ").replace("\r", " ").rstrip("\\")
    return value.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def text(value: str) -> str:
    """A text field, quoted."""
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _head(measurement: str, *tags: tuple[str, str]) -> str:
    given = sorted((key, value) for key, value in tags if value)
    return measurement + "".join(f",{key}={tag(value)}" for key, value in given) + " "


_prefix = lru_cache(maxsize=HEADS_KEPT)(_head)


class LineMaker:
    """Records into lines, by what a catalogue knows.

    `known(camera, zone)` says whether a zone or line is in the catalogue, `labels(camera, class)`
    whether the camera's model has a class: an unknown one becomes `other`, so that no sender can
    make series without end.
    """

    def __init__(self, *, known: Known, labels: Known) -> None:
        """Make lines by a catalogue."""
        self._known, self._labels = known, labels
        self._event_head = lru_cache(maxsize=HEADS_KEPT)(self._make_event_head)

    def lines(self, record: Record, *, site: str, node: str, record_id: str) -> list[str]:
        """The lines of one record."""
        if isinstance(record, Event):
            return [self.event(record, site, node, record_id)]
        if isinstance(record, Observation):
            return self.observation(record, site, node)
        return [_gap(record, site, node)]

    def event(self, event: Event, site: str, node: str, record_id: str) -> str:
        """The one line of an event."""
        return self.events([event], [record_id], site, node)[0]

    def events(
        self, events: Sequence[Event], record_ids: Iterable[str], site: str, node: str
    ) -> list[str]:
        """A line for each of a node's events."""
        if not events:
            return []
        numbers: list[float | None] = []
        for event in events:
            numbers += event.box or _NO_BOX
            numbers += (event.score, event.track, event.duration_s, event.t)
        # one call for all: to print numbers is what takes the time
        printed = iter(_ENCODER.encode(numbers)[1:-1].decode().split(","))
        head_of = self._event_head
        made = []
        for event, record_id, x0, y0, x1, y1, score, track, duration_s, t in zip(
            events, record_ids, *[printed] * 8, strict=True
        ):
            head = head_of(
                site,
                node,
                event.camera,
                event.type,
                event.cls,
                event.zone,
                event.severity,
                event.phase,
                event.rule,
                event.alarm,
                event.synced,
            )
            fields = f'{head},id="{record_id}",event={text(event.event)}'
            if event.box is not None:
                fields += f",x0={x0},y0={y0},x1={x1},y1={y1}"
            if event.score is not None:
                fields += f",score={score}"
            if event.track is not None:
                fields += f",track={track}i"
            if event.count is not None:
                fields += f",count={event.count}i"
            if event.duration_s is not None:
                fields += f",duration_s={duration_s}"
            if event.direction:
                fields += f",direction={text(event.direction)}"
            made.append(f"{fields} {t}")
        return made

    def _make_event_head(
        self,
        site: str,
        node: str,
        camera: str,
        kind: str,
        cls: str,
        zone: str,
        severity: str,
        phase: str,
        rule: str,
        alarm: bool,
        synced: bool,
    ) -> str:
        head = _head(
            "event",
            ("site", site),
            ("node", node),
            ("camera", camera),
            ("type", kind),
            ("cls", cls if not cls or self._labels(camera, cls) else OTHER),
            ("zone", zone if not zone or self._known(camera, zone) else OTHER),
            ("severity", severity),
            ("phase", phase),
        )
        return f"{head}rule={text(rule)},alarm={alarm},synced={synced}"

    def observation(self, record: Observation, site: str, node: str) -> list[str]:
        """A line for each count and each crossing."""
        where = (("site", site), ("node", node), ("camera", record.camera))
        lines = []
        for count in record.counts:
            zone = count.zone
            if zone and not self._known(record.camera, zone):
                zone = OTHER
            cls = count.cls if self._labels(record.camera, count.cls) else OTHER
            head = _prefix("observation", *where, ("zone", zone or "picture"), ("cls", cls))
            lines.append(
                f"{head}mean={count.mean!r},max={count.max}i,frames={record.frames}i,"
                f"interval_s={record.interval_s!r} {record.t}"
            )
        for crossing in record.crossings:
            line = crossing.line if self._known(record.camera, crossing.line) else OTHER
            cls = crossing.cls if self._labels(record.camera, crossing.cls) else OTHER
            head = _prefix("crossing", *where, ("line", line), ("cls", cls))
            ways = f"forward={crossing.forward}i,backward={crossing.backward}i"
            lines.append(f"{head}{ways} {record.t}")
        if not lines:
            # nothing was there: that too is an observation
            head = _prefix("observation", *where, ("zone", "picture"), ("cls", "none"))
            lines.append(
                f"{head}mean=0.0,max=0i,frames={record.frames}i,"
                f"interval_s={record.interval_s!r} {record.t}"
            )
        return lines


def lines_of(
    record: Record,
    *,
    site: str,
    node: str,
    record_id: str,
    known: Known = lambda _camera, _zone: True,
    labels: Known = lambda _camera, _label: True,
) -> list[str]:
    """The lines of one record, where there are not many; see `LineMaker`."""
    maker = LineMaker(known=known, labels=labels)
    return maker.lines(record, site=site, node=node, record_id=record_id)


def _gap(gap: Gap, site: str, node: str) -> str:
    head = _prefix("gap", ("site", site), ("node", node), ("class", gap.cls))
    count = sum(last - first + 1 for first, last in gap.ranges)
    return f"{head}count={count}i,reason={text(gap.reason)} {gap.t}"


def lines_of_heartbeat(beat: Heartbeat, *, site: str, node: str) -> list[str]:
    """A heartbeat as points of the node and of its cameras."""
    where = (("site", site), ("node", node))
    fields = (
        f"spool_depth={beat.spool_depth}i,spool_bytes={beat.spool_bytes}i,"
        f"oldest_unsent_s={float(beat.oldest_unsent_s)!r},dropped={beat.dropped}i,"
        f"inference_p95_ms={float(beat.inference_p95_ms)!r},clock_synced={beat.clock.synced}"
    )
    if beat.temperature_c is not None:
        fields += f",temperature_c={float(beat.temperature_c)!r}"
    if beat.throttled is not None:
        fields += f",throttled={beat.throttled}"
    lines = [f"{_prefix('node', *where)}{fields} {beat.at}"]
    lines.extend(
        f"{_prefix('camera', *where, ('camera', camera.id))}state={text(camera.state)},"
        f"frame_age_s={float(camera.frame_age_s)!r},fps={float(camera.fps)!r},"
        f"looked={camera.looked}i,restarts={camera.restarts}i {beat.at}"
        for camera in beat.cameras
    )
    return lines


def line_of(point: Point) -> str:
    """A point as a line: what `parse` takes apart again."""
    whole = INTEGERS.get(point.measurement, frozenset())
    fields = ",".join(
        f"{key}={_field(value, whole=key in whole)}" for key, value in sorted(point.fields.items())
    )
    return f"{_prefix(point.measurement, *point.tags.items())}{fields} {point.t}"


def _field(value: FieldValue, *, whole: bool) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return text(value)
    return f"{int(value)}i" if whole else repr(float(value))


class LineRefusedError(ValueError):
    """A line is no line protocol."""


def parse(line: str) -> Point:
    """Take a line apart; raises `LineRefusedError`."""
    # a quote quotes in fields only; in a tag it is a sign as any other
    series = next(_split(line, " ", quotes=False))
    parts = list(_split(line[len(series) + 1 :], " "))
    if len(parts) != 2:
        raise LineRefusedError(f"{len(parts) + 1} parts, not measurement, fields and time")
    head, *tags = _split(series, ",", quotes=False)
    try:
        stamp = int(parts[1])
        fields = {k: _value(v) for k, v in (_pair(f) for f in _split(parts[0], ","))}
        named = {k: _plain(v) for k, v in (_pair(t, quotes=False) for t in tags)}
    except ValueError as error:
        raise LineRefusedError(str(error)) from error
    return Point(measurement=_plain(head), tags=named, t=stamp, fields=fields)


def _split(line: str, at: str, *, quotes: bool = True) -> Iterator[str]:
    """Cut at `at` where it is neither escaped nor, with `quotes`, within quotes."""
    begin, index, quoted = 0, 0, False
    while index < len(line):
        sign = line[index]
        if sign == "\\":
            index += 1
        elif sign == '"' and quotes:
            quoted = not quoted
        elif sign == at and not quoted:
            yield line[begin:index]
            begin = index + 1
        index += 1
    yield line[begin:]


def _pair(part: str, *, quotes: bool = True) -> tuple[str, str]:
    key, *rest = _split(part, "=", quotes=quotes)
    if not key or not rest or not rest[0]:
        raise LineRefusedError(f"{part!r} is no key=value")
    return _plain(key), part[len(key) + 1 :]


def _plain(value: str) -> str:
    for sign in (",", "=", " "):
        value = value.replace("\\" + sign, sign)
    return value


def _value(value: str) -> FieldValue:
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if value in ("t", "T", "true", "True", "TRUE"):
        return True
    if value in ("f", "F", "false", "False", "FALSE"):
        return False
    return int(value[:-1]) if value.endswith("i") else float(value)
