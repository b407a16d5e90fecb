"""A board, its panels and what they ask for; nothing here knows who draws it."""

from enum import StrEnum

from msgspec import Struct, field

from haidang_protocols.catalogue.model import Text

COLUMNS = 12
"""A board is twelve columns wide; panels flow from left to right, then down."""


class BoardKind(StrEnum):
    """What a board is for."""

    SECURITY = "security"
    NODES = "nodes"


class PanelKind(StrEnum):
    """How answers are drawn."""

    STAT = "stat"  # one large number for each series
    LINES = "lines"  # over time
    BARS = "bars"  # over time, stacked
    STATES = "states"  # over time, a coloured band for each series
    RANKING = "ranking"  # rows by size, the largest first
    TABLE = "table"  # rows as they come


class Unit(StrEnum):
    """What a number counts."""

    COUNT = "count"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    CELSIUS = "celsius"
    FRAMES_PER_SECOND = "frames_per_second"


class Tone(StrEnum):
    """What a colour means."""

    GOOD = "good"
    NEUTRAL = "neutral"
    NOTICE = "notice"
    BAD = "bad"


class Span(StrEnum):
    """What time a panel shows, whatever the viewer looks at."""

    VIEW = "view"  # what the viewer chose
    TODAY = "today"  # since the centre's midnight
    WEEK = "week"  # the last seven days
    RECENT = "recent"  # the last five minutes: what is so now


class Aggregate(StrEnum):
    """One value out of many."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    LAST = "last"


class Running(StrEnum):
    """What is made of the values of one step after another."""

    TOTAL = "total"  # all so far
    RISE = "rise"  # by how much it grew; a counter that begins anew has not grown


class Operator(StrEnum):
    """How a condition compares."""

    IS = "is"
    IS_NOT = "is_not"
    CHOSEN = "chosen"  # what the viewer chose in the board's filter of that key


class Fill(StrEnum):
    """What stands for a step without values."""

    NOTHING = "nothing"  # a break in the line
    ZERO = "zero"


class Where(Struct, frozen=True, kw_only=True):
    """A condition on a field or tag."""

    key: str
    operator: Operator = Operator.IS
    value: str | bool = ""


class Column(Struct, frozen=True, kw_only=True):
    """A column of an answer: a field or tag as it is, or one value out of many.

    Attributes:
        name: what the column is called in the answer.
        negative: its values count against those of the other sources.
    """

    key: str
    name: str
    how: Aggregate | None = None
    running: Running | None = None
    negative: bool = False


class Query(Struct, frozen=True, kw_only=True):
    """What is asked of a scope's bucket.

    Attributes:
        source: a measurement, or queries whose answers are asked together.
        by: tags that split the answer into series, or name the rows of a ranking.
        stepped: one value for each step of time; else one for the whole span.
        step_s: the step in seconds; 0 leaves it to the width of the screen.
        largest: only so many of the largest values, with their tags; 0 is all.
        newest: only so many of the newest rows; 0 is all.
    """

    columns: tuple[Column, ...]
    source: "str | tuple[Query, ...]"
    where: tuple[Where, ...] = ()
    by: tuple[str, ...] = ()
    stepped: bool = False
    step_s: int = 0
    fill: Fill = Fill.NOTHING
    largest: int = 0
    newest: int = 0


class Series(Struct, frozen=True, kw_only=True):
    """A query drawn; its series are named by `by`'s values joined with a blank, or by `name`."""

    query: Query
    name: Text | None = None


class Word(Struct, frozen=True, kw_only=True):
    """What people read for a value, a column or a series' name, and what colour it has."""

    value: str
    text: Text
    tone: Tone | None = None


class Limit(Struct, frozen=True, kw_only=True):
    """From `value` on, a number has this tone."""

    value: float
    tone: Tone


class Panel(Struct, frozen=True, kw_only=True):
    """One picture.

    Attributes:
        key: its name on the board, for good.
        about: what it shows and what it does not.
        names: of series and columns, where they are not to be shown as they are.
        values: words for the values of a column.
        limits: ascending; below the first a number is neutral.
        empty: what is said when there is no answer.
        least_step_s: the shortest step that makes sense.
        width: of `COLUMNS`; `height` in rows of about 30 pixels.
    """

    key: str
    title: Text
    about: Text
    kind: PanelKind
    series: tuple[Series, ...]
    unit: Unit = Unit.COUNT
    names: tuple[Word, ...] = ()
    values: dict[str, tuple[Word, ...]] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    span: Span = Span.VIEW
    empty: Text
    least_step_s: int = 60
    width: int = COLUMNS
    height: int = 8


class Section(Struct, frozen=True, kw_only=True):
    """Panels under one heading."""

    key: str
    title: Text
    panels: tuple[Panel, ...]


class Filter(Struct, frozen=True, kw_only=True):
    """A choice of the viewer's; none chosen is all."""

    key: str
    title: Text
    options: tuple[Word, ...]


class Board(Struct, frozen=True, kw_only=True):
    """What one scope sees of one matter."""

    kind: BoardKind
    centre: str
    scope: str
    title: Text
    time_zone: str
    sections: tuple[Section, ...]
    filters: tuple[Filter, ...] = ()
    view_s: int = 86_400
    refresh_s: int = 30

    def panels(self) -> tuple[Panel, ...]:
        """All panels, from the top."""
        return tuple(panel for section in self.sections for panel in section.panels)
