"""What was sent and is not stored yet, and what to do about it: pure, given the time.

A record leaves the window only by the watermark, or when it is given up after the centre has shown,
again and again and for long, by storing what was sent after it, that it can read all but this one.
That it was sent often shows nothing: the centre may have been away, or a worker of it hung.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from haidang_edge.publish.settings import Pace
from haidang_protocols.wire.records import RecordClass
from haidang_protocols.wire.seqset import SeqSet

HOLES_MAX = 48
"""A watermark names 64 holes and ends there: what is stored beyond stays in the window unnamed."""

HOLES_STEP = 500


@dataclass(slots=True)
class Sent:
    """One record that is under way."""

    cls: RecordClass
    due: bool = True
    at_s: float = 0.0
    message: int = 0
    missed: int = 0
    missed_first_s: float = 0.0


@dataclass(slots=True)
class Window:
    """See the module; times in seconds on one monotonic clock."""

    pace: Pace
    sent: dict[int, Sent] = field(default_factory=dict)
    _stall_s: float = 0.0
    _news_s: float = 0.0
    _highest: int = 0
    _holes: int = 0
    _stored_sent_s: float = 0.0

    def size(self) -> int:
        """How many records are under way."""
        return len(self.sent)

    def room(self) -> int:
        """How many more records may be under way."""
        return max(0, self.pace.window - len(self.sent))

    def take(self, seq: int, cls: RecordClass, now_s: float, message: int = 0) -> None:
        """A record was sent, for the first time or again, in the client's `message`."""
        if not self.sent:
            self._news_s = now_s
        found = self.sent.setdefault(seq, Sent(cls))
        found.due, found.at_s, found.message = False, now_s, message

    def restart(
        self, now_s: float, *, unconfirmed: Callable[[int], bool] = lambda _: False
    ) -> None:
        """A new connection: what the old one had handed over may have been lost with it."""
        for record in self.sent.values():
            record.due = not unconfirmed(record.message)
        self._news_s, self._stall_s = now_s, self.pace.stall_s

    def stored(self, done: SeqSet, now_s: float) -> int:
        """The watermark moved: forget what is stored. Returns how many that were."""
        if done.highest() >= self._highest:
            self._highest = done.highest()
            self._holes = sum(1 for _ in done.missing(1, self._highest)) if self._highest else 0
        gone = [seq for seq in self.sent if seq in done]
        for seq in gone:
            self._stored_sent_s = max(self._stored_sent_s, self.sent.pop(seq).at_s)
        if gone:
            self._news_s, self._stall_s = now_s, self.pace.stall_s
        return len(gone)

    def stalled(
        self, now_s: float, *, unconfirmed: Callable[[int], bool] = lambda _: False
    ) -> bool:
        """Whether nothing was stored for too long; then all is due again, and patience doubles.

        A hole that the watermark has left behind is due again by itself. What the broker has not
        even confirmed is under way on a slow wire: a second copy would only make it slower.
        """
        for seq, record in self.sent.items():
            if unconfirmed(record.message):
                record.at_s = self._news_s = now_s
                continue
            late = now_s - record.at_s >= self.pace.stall_s
            if seq < self._highest and late and not record.due:
                record.due = True
                self._miss(record, now_s)
        if not self.sent or now_s - self._news_s < (self._stall_s or self.pace.stall_s):
            return False
        for record in self.sent.values():
            record.due = True
        self._news_s = now_s
        self._stall_s = min(self.pace.stall_max_s, (self._stall_s or self.pace.stall_s) * 2)
        return True

    def _miss(self, record: Sent, now_s: float) -> None:
        """Count a hole, if what was sent after it is stored."""
        if self._stored_sent_s > record.at_s:
            record.missed += 1
            record.missed_first_s = record.missed_first_s or now_s

    def in_doubt(self) -> bool:
        """Whether all that is under way was sent again and still nothing is stored."""
        return bool(self.sent) and self._stall_s > self.pace.stall_s

    def behind(self) -> int:
        """Up to where everything must go now, whatever its class; 0 while there are few holes.

        Higher classes overtake lower ones, and each that is overtaken is a hole. When there are too
        many for a watermark to name, the lowest fill them, or nothing would ever leave the window.
        """
        return self._highest + HOLES_STEP if self._holes >= HOLES_MAX else 0

    def due(self) -> list[int]:
        """What must be sent again, lowest sequence first."""
        return sorted(seq for seq, record in self.sent.items() if record.due)

    def alone(self, seq: int) -> bool:
        """Whether a record was missed so often that it goes in a batch of its own."""
        found = self.sent.get(seq)
        return found is not None and found.missed >= self.pace.unreadable_after

    def hopeless(self, now_s: float) -> list[tuple[int, RecordClass]]:
        """Records that went alone often and long enough while the centre stored what came after."""
        often, long_s = 2 * self.pace.unreadable_after, self.pace.unreadable_s
        return [
            (seq, record.cls)
            for seq, record in self.sent.items()
            if record.missed >= often and now_s - record.missed_first_s >= long_s
        ]


@dataclass(slots=True)
class Bucket:
    """A token bucket: how many backlog records may go now."""

    per_s: float
    _tokens: float = 0.0
    _at_s: float | None = None

    def take(self, wanted: int, now_s: float) -> int:
        """At most `wanted`, at most what a second's allowance has gathered."""
        if self._at_s is not None:
            gathered = self._tokens + (now_s - self._at_s) * self.per_s
            self._tokens = min(max(self.per_s, 1.0), gathered)
        else:
            self._tokens = max(self.per_s, 1.0)
        self._at_s = now_s
        given = min(wanted, int(self._tokens))
        self._tokens -= given
        return given
