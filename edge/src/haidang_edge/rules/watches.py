"""One watch per rule: takes all tracks of a look and tells what began, happened or ended.

The four kinds differ in what they ask of a track; hysteresis is `Spells`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from haidang_edge.rules import geometry
from haidang_edge.rules.crossing import Crossing
from haidang_edge.rules.geometry import Box, Point
from haidang_edge.rules.spells import UNSEEN_NS, Patience, Spell, Spells, Subject
from haidang_edge.track import Track
from haidang_protocols.catalogue.model import (
    CrowdRule,
    IntrusionRule,
    LineRule,
    LoiteringRule,
    Rule,
)
from haidang_protocols.wire.records import Event, Phase, RuleKind


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has shown: all tracks alive, and the crossings of each line."""

    tracks: Sequence[Track]
    crossings: dict[str, list[Crossing]]
    mono_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is the same for all events of a camera; `new_id` gives each event its own."""

    camera: str
    model: str
    labels: Sequence[str]
    new_id: Callable[[], str]

    def label(self, track: Track) -> str:
        """A track's class by name, "" for a number that the model has no label for."""
        return self.labels[track.cls] if 0 <= track.cls < len(self.labels) else ""

    def watched(self, rule: Rule, tracks: Iterable[Track]) -> list[Track]:
        """The tracks that a rule may look at, faint ones too."""
        return [track for track in tracks if track.confirmed and self.label(track) in rule.classes]

    def event(self, rule: Rule, subject: Subject, phase: Phase, mono_ns: int) -> Event:
        """An event of `rule`; its wall time is fixed later."""
        return Event(
            t=0,
            mono=mono_ns,
            camera=self.camera,
            rule=rule.id,
            type=_KINDS[type(rule)],
            phase=phase,
            event=self.new_id(),
            severity=rule.severity,
            alarm=rule.alarm,
            zone="" if isinstance(rule, LineRule) else rule.zone,
            cls=subject.cls,
            track=subject.track,
            score=None if subject.score is None else round(subject.score, 4),
            box=_rounded(subject.box),
            count=subject.count,
            model=self.model,
        )


_KINDS: dict[type[Rule], RuleKind] = {
    IntrusionRule: RuleKind.INTRUSION,
    LineRule: RuleKind.LINE,
    CrowdRule: RuleKind.CROWD,
    LoiteringRule: RuleKind.LOITERING,
}


class Watch(Protocol):
    """A rule at work; `on` is whether its schedule is."""

    def look(self, seen: Seen, *, on: bool) -> list[Event]:
        """Judge a look."""

    def tick(self, mono_ns: int, *, on: bool) -> list[Event]:
        """Let time pass without a look."""

    def close(self, mono_ns: int) -> list[Event]:
        """End what is open: the rule is no more."""


class ZoneWatch:
    """Intrusion and loitering: each track in the zone is a subject of its own."""

    def __init__(
        self, rule: IntrusionRule | LoiteringRule, polygon: Sequence[Point], context: Context
    ) -> None:
        """Watch `polygon`."""
        self._rule, self._polygon, self._context = rule, polygon, context
        dwell_s = rule.dwell_s if isinstance(rule, LoiteringRule) else 0.0
        patience = Patience(
            hold=_ns(dwell_s + rule.after_s),
            clear=_ns(rule.clear_s),
            absence=_ns(rule.clear_s) if isinstance(rule, LoiteringRule) else 0,
        )
        self._spells = _spells(patience, rule, context)

    def look(self, seen: Seen, *, on: bool) -> list[Event]:
        """See `Watch`."""
        if not on:
            return self._spells.close(seen.mono_ns)
        visible = [track for track in seen.tracks if track.seen]
        here = [
            track
            for track in self._context.watched(self._rule, visible)
            if geometry.inside(track.foot, self._polygon)
        ]
        self._spells.absent({t.id for t in here}, {t.id for t in visible}, seen.mono_ns)
        for track in here:
            if track.id not in self._spells:
                self._inherit(track, seen.mono_ns)
            # who was surely there and is now seen faintly is there still
            sure = track.score >= self._rule.min_score
            self._spells.hold(track.id, self._subject(track), seen.mono_ns, sure=sure)
        return self._spells.settle(seen.mono_ns)

    def tick(self, mono_ns: int, *, on: bool) -> list[Event]:
        """See `Watch`."""
        return self._spells.settle(mono_ns) if on else self._spells.close(mono_ns)

    def close(self, mono_ns: int) -> list[Event]:
        """See `Watch`."""
        return self._spells.close(mono_ns)

    def _subject(self, track: Track) -> Subject:
        return Subject(
            cls=self._context.label(track), box=track.box, track=track.id, score=track.score
        )

    def _inherit(self, track: Track, mono_ns: int) -> None:
        """A track that begins where another was just lost is the same subject under a new id."""
        near: list[tuple[float, int]] = []
        for key, spell in self._spells.lost():
            away = geometry.apart(spell.subject.foot, track.foot)
            unseen_s = (mono_ns - spell.last_ns) / 1e9
            reach = min(_side(spell.subject.box), _side(track.box)) * (1 + unseen_s) / 2
            if track.first_ns >= spell.last_ns and away <= reach:
                near.append((away, key))
        if near:
            self._spells.rename(min(near)[1], track.id)


class CrowdWatch:
    """Crowd: the zone itself is the subject."""

    def __init__(self, rule: CrowdRule, polygon: Sequence[Point], context: Context) -> None:
        """Watch `polygon`."""
        self._rule, self._polygon, self._context = rule, polygon, context
        self._sure_ns: dict[int, int] = {}
        patience = Patience(hold=_ns(rule.after_s), clear=_ns(rule.clear_s), absence=0)
        self._spells = _spells(patience, rule, context)

    def look(self, seen: Seen, *, on: bool) -> list[Event]:
        """See `Watch`."""
        if not on:
            return self._spells.close(seen.mono_ns)
        members = self._members(seen)
        enough = len(members) >= self._rule.count
        self._spells.absent({0} if enough else set(), {0}, seen.mono_ns)
        if enough:
            self._spells.hold(0, self._subject(members), seen.mono_ns)
        return self._spells.settle(seen.mono_ns)

    def tick(self, mono_ns: int, *, on: bool) -> list[Event]:
        """See `Watch`."""
        return self._spells.settle(mono_ns) if on else self._spells.close(mono_ns)

    def close(self, mono_ns: int) -> list[Event]:
        """See `Watch`."""
        return self._spells.close(mono_ns)

    def _members(self, seen: Seen) -> list[Track]:
        """Who is here, and was surely here a moment ago: somebody is hidden at every look."""
        tracks = self._context.watched(self._rule, seen.tracks)
        alive = {track.id for track in tracks}
        self._sure_ns = {key: at for key, at in self._sure_ns.items() if key in alive}
        self._sure_ns |= {
            track.id: track.last_ns for track in tracks if track.score >= self._rule.min_score
        }
        return [
            track
            for track in tracks
            if seen.mono_ns - track.last_ns <= UNSEEN_NS
            and self._sure_ns.get(track.id, -1) >= seen.mono_ns - UNSEEN_NS
            and geometry.inside(track.foot, self._polygon)
        ]

    def _subject(self, members: Sequence[Track]) -> Subject:
        names = {self._context.label(track) for track in members}
        return Subject(
            cls=names.pop() if len(names) == 1 else "",
            box=geometry.around([track.box for track in members]),
            count=len(members),
        )


class LineWatch:
    """Line: a crossing is a moment; with `after_s`, one that was not taken back until then."""

    def __init__(self, rule: LineRule, context: Context) -> None:
        """Watch the line that the rule names."""
        self._rule, self._context = rule, context
        self._owed: list[tuple[int, Crossing]] = []

    def look(self, seen: Seen, *, on: bool) -> list[Event]:
        """See `Watch`."""
        due_ns = seen.mono_ns + _ns(self._rule.after_s)
        for crossing in seen.crossings.get(self._rule.line, []):
            left = [owed for owed in self._owed if owed[1].track.id != crossing.track.id]
            # who comes back before the time has, for this rule, never crossed: neither way counts
            taken_back, self._owed = len(left) < len(self._owed), left
            if on and not taken_back and self._wanted(crossing):
                self._owed.append((due_ns, crossing))
        return self.tick(seen.mono_ns, on=on)

    def tick(self, mono_ns: int, *, on: bool) -> list[Event]:
        """See `Watch`."""
        due = [crossing for due_ns, crossing in self._owed if due_ns <= mono_ns]
        self._owed = [owed for owed in self._owed if owed[0] > mono_ns] if on else []
        return [self._event(crossing, mono_ns) for crossing in due if on]

    def close(self, mono_ns: int) -> list[Event]:  # noqa: ARG002  # nothing lasts
        """See `Watch`."""
        self._owed = []
        return []

    def _wanted(self, crossing: Crossing) -> bool:
        way = "forward" if crossing.forward else "backward"
        return self._rule.direction in ("both", way) and bool(
            self._context.watched(self._rule, [crossing.track])
            and crossing.track.score >= self._rule.min_score
        )

    def _event(self, crossing: Crossing, mono_ns: int) -> Event:
        track = crossing.track
        subject = Subject(
            cls=self._context.label(track), box=track.box, track=track.id, score=track.score
        )
        event = self._context.event(self._rule, subject, Phase.MOMENT, mono_ns)
        return replace(event, direction="forward" if crossing.forward else "backward")


def _spells(patience: Patience, rule: Rule, context: Context) -> Spells:
    def begin(spell: Spell, mono_ns: int) -> Event:
        return context.event(rule, spell.subject, Phase.BEGIN, mono_ns)

    def end(spell: Spell, mono_ns: int) -> Event:
        begun = context.event(rule, spell.subject, Phase.END, mono_ns)
        known = begun.event if spell.event is None else spell.event.event
        held_s = round((spell.last_ns - spell.since_ns) / 1e9, 3)
        return replace(begun, event=known, duration_s=held_s)

    return Spells(patience, begin=begin, end=end)


def _rounded(box: Box) -> Box:
    """Five digits are a tenth of a pixel in the widest picture; inside it in any case."""
    x0, y0, x1, y1 = (round(min(max(edge, 0.0), 1.0), 5) for edge in box)
    return (x0, y0, x1, y1)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
