"""The hysteresis that all lasting rules share: a condition holds, fires, is gone, ends.

A spell is one subject's time in a condition: a track in a zone, a crowd in it. It fires when the
condition has held for `hold_s`, and ends when it has been gone for `clear_s`; a begin has exactly
one end. Only a look can say that a condition holds; time alone can end it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from haidang_edge.rules.geometry import Box, Point
from haidang_protocols.wire.records import Event

UNSEEN_NS = 2_000_000_000
"""A subject that the detector missed for less has not left."""

BLIND_NS = 10_000_000_000
"""Without any look for longer, what held is taken to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who or what is in the condition, as it was last seen; a crowd has no track."""

    cls: str
    box: Box
    track: int | None = None
    score: float | None = None
    count: int | None = None

    @property
    def foot(self) -> Point:
        """The middle of its lower edge."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]


@dataclass(slots=True)
class Spell:
    """One subject's time in a condition.

    Attributes:
        sure: whether its newest look was one that could have begun the spell.
        gone: it was not in the condition at the newest look.
        left: it was seen elsewhere, not merely missed.
    """

    subject: Subject
    since_ns: int
    last_ns: int
    sure: bool = True
    gone: bool = False
    left: bool = False
    event: Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The times of a rule, in nanoseconds.

    Attributes:
        hold: how long before it fires.
        clear: how long gone before it ends.
        absence: how long gone before the waiting for `hold` begins anew.
    """

    hold: int
    clear: int
    absence: int


Begin = Callable[[Spell, int], Event]
End = Callable[[Spell, int], Event]


class Spells:
    """The spells of one rule, by a key of the rule's choice."""

    def __init__(self, patience: Patience, *, begin: Begin, end: End) -> None:
        """`begin` and `end` make the events; both get the spell and the time now."""
        self._patience, self._begin, self._end = patience, begin, end
        self._by_key: dict[int, Spell] = {}

    def __contains__(self, key: int) -> bool:
        return key in self._by_key

    def lost(self) -> Iterator[tuple[int, Spell]]:
        """Spells whose subject was missed, not seen elsewhere."""
        return ((key, s) for key, s in self._by_key.items() if s.gone and not s.left)

    def absent(self, here: set[int], seen: set[int], mono_ns: int) -> None:
        """A look has shown only `here` in the condition, of those `seen` at all."""
        self._expire(mono_ns)
        for key, spell in self._by_key.items():
            if key not in here:
                # who was seen to leave has left, also when they are out of the picture since
                spell.gone, spell.left = True, spell.left or key in seen

    def hold(self, key: int, subject: Subject, mono_ns: int, *, sure: bool = True) -> None:
        """A look has shown that the condition holds for `key`.

        A look that is not `sure` lets a spell go on; it begins none and lets none fire.
        """
        spell = self._by_key.get(key)
        if spell is not None:
            spell.subject, spell.last_ns, spell.sure = subject, mono_ns, sure
            spell.gone = spell.left = False
        elif sure:
            self._by_key[key] = Spell(subject, mono_ns, mono_ns)

    def rename(self, old: int, new: int) -> None:
        """The subject goes on under another key."""
        self._by_key[new] = self._by_key.pop(old)

    def settle(self, mono_ns: int) -> list[Event]:
        """What begins and what ends now."""
        self._expire(mono_ns)
        told: list[Event] = []
        for key, spell in list(self._by_key.items()):
            if not spell.gone:
                if spell.event is None and self._fires(spell, mono_ns):
                    spell.event = self._begin(spell, mono_ns)
                    told.append(spell.event)
            elif spell.event is None:
                if mono_ns - spell.last_ns > self._waits(spell):
                    del self._by_key[key]
            elif mono_ns - spell.last_ns >= self._patience.clear:
                del self._by_key[key]
                told.append(self._end(spell, mono_ns))
        return told

    def close(self, mono_ns: int) -> list[Event]:
        """End all that is open at once and forget the rest."""
        spells, self._by_key = self._by_key, {}
        return [self._end(spell, mono_ns) for spell in spells.values() if spell.event is not None]

    def _fires(self, spell: Spell, mono_ns: int) -> bool:
        now = spell.sure and spell.last_ns == mono_ns
        return now and mono_ns - spell.since_ns >= self._patience.hold

    def _waits(self, spell: Spell) -> int:
        if spell.left:
            return self._patience.absence
        return max(self._patience.absence, UNSEEN_NS)

    def _expire(self, mono_ns: int) -> None:
        for spell in self._by_key.values():
            if mono_ns - spell.last_ns > self._patience.clear + BLIND_NS:
                spell.gone = True
