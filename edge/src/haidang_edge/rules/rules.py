"""All rules and counts of one camera; survives a change of the catalogue where nothing changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from haidang_edge.rules import geometry
from haidang_edge.rules.crossing import Crossing, Crossings
from haidang_edge.rules.geometry import Point
from haidang_edge.rules.schedule import Schedule
from haidang_edge.rules.spells import UNSEEN_NS
from haidang_edge.rules.tally import Key, Tally, how_many
from haidang_edge.rules.watches import Context, CrowdWatch, LineWatch, Seen, Watch, ZoneWatch
from haidang_edge.track import Track
from haidang_protocols.catalogue.model import Camera, CrowdRule, LineRule, Rule
from haidang_protocols.wire.records import Event, Observation

Told = list[Event | Observation]

START_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class _AtWork:
    """A rule with its schedule, its watch, and the shape on the picture that it speaks of."""

    rule: Rule
    shape: tuple[Point, ...]
    schedule: Schedule
    watch: Watch


def start_score(camera: Camera) -> float:
    """What a detection must score for a track to begin: enough for the least strict rule."""
    return min((rule.min_score for rule in camera.rules), default=START_SCORE)


class Rules:
    """See the module; used by one thread. Times are monotonic but for `wall_ns`."""

    def __init__(
        self,
        camera: Camera,
        *,
        labels: Sequence[str],
        counted: Sequence[str],
        time_zone: str,
        event_prefix: str,
        mono_ns: int,
    ) -> None:
        """Begin to watch.

        Args:
            camera: rules, zones and lines.
            labels: the model's, by class index.
            counted: labels that observations count.
            time_zone: the centre's, for schedules.
            event_prefix: makes event ids unique beyond this object's life.
            mono_ns: now.
        """
        self._labels, self._prefix, self._number = labels, event_prefix, 0
        self._counted = frozenset(counted)
        self._zone = ZoneInfo(time_zone)
        self._at_work: dict[str, _AtWork] = {}
        self._lines: dict[str, Crossings] = {}
        self._camera = camera
        self._context = self._new_context(camera)
        self._tally = self._new_tally(camera, mono_ns)
        self._arrange(camera)

    # --- time goes on -----------------------------------------------------------------------

    def look(self, tracks: Sequence[Track], *, mono_ns: int, wall_ns: int) -> Told:
        """Judge a look; `tracks` are all that are alive."""
        crossings = {line: list(memory.look(tracks)) for line, memory in self._lines.items()}
        self._count(tracks, crossings, mono_ns)
        seen = Seen(tracks, crossings, mono_ns)
        told: Told = []
        for at_work in self._at_work.values():
            told += at_work.watch.look(seen, on=at_work.schedule.on(wall_ns))
        return told + self._observed(mono_ns)

    def tick(self, *, mono_ns: int, wall_ns: int, frame: bool) -> Told:
        """Let time pass without a look; `frame`: a picture came, and nothing moved in it."""
        if frame:
            self._tally.frame(mono_ns)
        told: Told = []
        for at_work in self._at_work.values():
            told += at_work.watch.tick(mono_ns, on=at_work.schedule.on(wall_ns))
        return told + self._observed(mono_ns)

    def swap(self, camera: Camera, *, counted: Sequence[str], mono_ns: int) -> Told:
        """Go on by another version of the camera: what is the same in both keeps its state."""
        told: Told = []
        kept: dict[str, _AtWork] = {}
        for at_work in self._at_work.values():
            if (at_work.rule, at_work.shape) in [(r, _shape(camera, r)) for r in camera.rules]:
                kept[at_work.rule.id] = at_work
            else:
                told += at_work.watch.close(mono_ns)
        same = _counting(camera) == _counting(self._camera) and self._counted == set(counted)
        if not same:
            told += self._closed_tally(mono_ns)
        self._camera, self._counted, self._at_work = camera, frozenset(counted), kept
        if not same:
            self._tally = self._new_tally(camera, mono_ns)
        self._arrange(camera)
        return told

    def close(self, *, mono_ns: int) -> Told:
        """End all that is open, and tell what was counted so far."""
        told: Told = []
        for at_work in self._at_work.values():
            told += at_work.watch.close(mono_ns)
        return told + self._closed_tally(mono_ns)

    # --- parts ------------------------------------------------------------------------------

    def _arrange(self, camera: Camera) -> None:
        """A watch for each rule and a memory for each line, old ones where they are known."""
        at_work: dict[str, _AtWork] = {}
        for rule in camera.rules:
            known = self._at_work.get(rule.id)
            at_work[rule.id] = known or self._new_watch(rule, _shape(camera, rule))
        self._at_work = at_work
        lines: dict[str, Crossings] = {}
        for line in camera.lines:
            memory = self._lines.get(line.id)
            fits = memory is not None and memory.line == line.points
            lines[line.id] = memory if memory and fits else Crossings(line.points)
        self._lines = lines

    def _new_watch(self, rule: Rule, shape: tuple[Point, ...]) -> _AtWork:
        watch: Watch
        if isinstance(rule, LineRule):
            watch = LineWatch(rule, self._context)
        elif isinstance(rule, CrowdRule):
            watch = CrowdWatch(rule, shape, self._context)
        else:
            watch = ZoneWatch(rule, shape, self._context)
        return _AtWork(rule, shape, Schedule(rule.schedule, self._zone), watch)

    def _new_context(self, camera: Camera) -> Context:
        return Context(
            camera=camera.id, model=camera.model, labels=self._labels, new_id=self._new_id
        )

    def _new_id(self) -> str:
        self._number += 1
        return f"{self._prefix}-{self._number}"

    def _new_tally(self, camera: Camera, mono_ns: int) -> Tally:
        named = {label for rule in camera.rules for label in rule.classes}
        zones = ["", *(zone.id for zone in camera.zones)]
        return Tally(
            camera=camera.id,
            model=camera.model,
            interval_ns=round(camera.observe_s * 1e9),
            watched=frozenset((zone, label) for zone in zones for label in named),
            start_ns=mono_ns,
        )

    # --- counting ---------------------------------------------------------------------------

    def _count(
        self, tracks: Sequence[Track], crossings: dict[str, list[Crossing]], mono_ns: int
    ) -> None:
        here = [
            track
            for track in tracks
            if track.confirmed and _present(track, mono_ns) and self._counts(track)
        ]
        self._tally.look(how_many(key for track in here for key in self._places(track)), mono_ns)
        for line, crossed in crossings.items():
            for crossing in filter(lambda c: self._counts(c.track), crossed):
                label = self._context.label(crossing.track)
                self._tally.crossed(line, label, forward=crossing.forward)

    def _counts(self, track: Track) -> bool:
        return self._context.label(track) in self._counted

    def _places(self, track: Track) -> Iterator[Key]:
        label = self._context.label(track)
        yield "", label
        for zone in self._camera.zones:
            if geometry.inside(track.foot, zone.polygon):
                yield zone.id, label

    def _observed(self, mono_ns: int) -> Told:
        return self._closed_tally(mono_ns) if self._tally.due(mono_ns) else []

    def _closed_tally(self, mono_ns: int) -> Told:
        told = self._tally.close(mono_ns)
        return [] if told is None else [told]


def _present(track: Track, mono_ns: int) -> bool:
    """Whether it is there now: seen, or merely missed for a moment.

    A track that another one covers may be the same object under an older id: two are not counted
    where one is seen.
    """
    return track.seen or (mono_ns - track.last_ns <= UNSEEN_NS and not track.covered)


def _shape(camera: Camera, rule: Rule) -> tuple[Point, ...]:
    """The polygon or line that a rule speaks of."""
    if isinstance(rule, LineRule):
        return next(line.points for line in camera.lines if line.id == rule.line)
    return next(zone.polygon for zone in camera.zones if zone.id == rule.zone)


def _counting(camera: Camera) -> tuple[object, ...]:
    """All that a count depends on."""
    named = {label for rule in camera.rules for label in rule.classes}
    shapes = [(zone.id, zone.polygon) for zone in camera.zones]
    lines = [(line.id, line.points) for line in camera.lines]
    return camera.observe_s, camera.model, named, shapes, lines
