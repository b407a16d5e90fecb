"""The security board of a scope: what is going on, what happened, where, and when."""

from msgspec.structs import replace

from haidang_protocols.boards import reach, words
from haidang_protocols.boards.model import (
    COLUMNS,
    Aggregate,
    Board,
    BoardKind,
    Column,
    Fill,
    Filter,
    Limit,
    Operator,
    Panel,
    PanelKind,
    Query,
    Running,
    Section,
    Series,
    Span,
    Tone,
    Where,
    Word,
)
from haidang_protocols.boards.reach import Reach
from haidang_protocols.catalogue.model import Catalogue, Text

_EVENT = "event"
_CHOSEN = Where(key="camera", operator=Operator.CHOSEN)
_ALARM = Where(key="alarm", value=True)
_BEGUN = Where(key="phase", operator=Operator.IS_NOT, value="end")
_NONE = Text(vi="0", en="0")
_QUIET = Text(vi="Không có sự kiện nào", en="No events")
_ROWS = 100
_RANKED = 15
_EVENT_COLUMNS = (
    "severity",
    "camera",
    "type",
    "zone",
    "cls",
    "phase",
    "direction",
    "rule",
    "score",
    "duration_s",
)


def security_board(catalogue: Catalogue, seen: Reach) -> Board:
    """The board of a scope that sees cameras; only what its rules can fill."""
    alarms = reach.has_alarms(seen.cameras)
    sections = [_now(alarms=alarms)]
    if alarms:
        sections.append(_alarms(seen))
    sections.append(_events(seen))
    if reach.has_lines(seen.cameras):
        sections.append(_crossings(seen))
    name = seen.scope.name
    return Board(
        kind=BoardKind.SECURITY,
        centre=catalogue.centre.id,
        scope=seen.scope.id,
        title=Text(vi=f"An ninh · {name.vi}", en=f"Security · {name.en or name.vi}"),
        time_zone=catalogue.centre.time_zone,
        sections=tuple(sections),
        filters=(
            Filter(
                key="camera",
                title=Text(vi="Camera", en="Camera"),
                options=reach.camera_words(seen.cameras),
            ),
        ),
    )


def _count(*where: Where, by: tuple[str, ...] = (), stepped: bool = False) -> Query:
    """How many events began."""
    return Query(
        columns=(Column(key="id", name="n", how=Aggregate.COUNT),),
        source=_EVENT,
        where=(*where, _BEGUN, _CHOSEN),
        by=by,
        stepped=stepped,
        fill=Fill.ZERO,
    )


def _ongoing(*, stepped: bool) -> Query:
    """How many alarms began and have not ended, by severity."""
    step_s = 3600 if stepped else 0
    begun, ended = (
        Query(
            columns=(Column(key="id", name="n", how=Aggregate.COUNT, negative=phase == "end"),),
            source=_EVENT,
            where=(_ALARM, Where(key="phase", value=phase), _CHOSEN),
            by=("severity",),
            stepped=stepped,
            step_s=step_s,
            fill=Fill.ZERO,
        )
        for phase in ("begin", "end")
    )
    running = Running.TOTAL if stepped else None
    return Query(
        columns=(Column(key="n", name="n", how=Aggregate.SUM, running=running),),
        source=(begun, ended),
        by=("severity",),
        stepped=stepped,
        step_s=step_s,
        fill=Fill.ZERO,
    )


def _ranked(*by: str, where: tuple[Where, ...] = ()) -> Query:
    return Query(
        columns=(Column(key="n", name="n"),),
        source=(_count(*where, by=by),),
        by=by,
        largest=_RANKED,
    )


def _rows(*where: Where) -> Query:
    return Query(
        columns=tuple(Column(key=key, name=key) for key in _EVENT_COLUMNS),
        source=_EVENT,
        where=(*where, _CHOSEN),
        newest=_ROWS,
    )


def _now(*, alarms: bool) -> Section:
    panels = [_today("events-today", "Sự kiện hôm nay", "Events today", _count())]
    if alarms:
        today = _today("alarms-today", "Cảnh báo hôm nay", "Alarms today", _count(_ALARM))
        panels = [_ongoing_now(), today, *panels]
    width = COLUMNS // len(panels)
    sized = tuple(replace(panel, width=width) for panel in panels)
    return Section(key="now", title=Text(vi="Hiện tại", en="Now"), panels=sized)


def _today(key: str, vi: str, en: str, query: Query) -> Panel:
    return Panel(
        key=key,
        title=Text(vi=vi, en=en),
        about=Text(
            vi="Đếm lúc bắt đầu, từ 0 giờ theo giờ của trung tâm.",
            en="Counted as they begin, since midnight at the centre.",
        ),
        kind=PanelKind.STAT,
        series=(Series(query=query, name=Text(vi=vi, en=en)),),
        span=Span.TODAY,
        empty=_NONE,
        height=4,
    )


def _ongoing_now() -> Panel:
    return Panel(
        key="ongoing",
        title=Text(vi="Cảnh báo đang diễn ra", en="Alarms going on"),
        about=Text(
            vi="Đã bắt đầu trong 7 ngày qua và chưa kết thúc tại hiện trường. "
            "Ai đã tiếp nhận thì xem ở hồ sơ vụ việc.",
            en="Begun in the last 7 days and not over at the scene. "
            "Who has taken them up stands with the cases.",
        ),
        kind=PanelKind.STAT,
        series=(Series(query=_ongoing(stepped=False)),),
        names=words.SEVERITIES,
        limits=(Limit(value=0, tone=Tone.GOOD), Limit(value=1, tone=Tone.BAD)),
        span=Span.WEEK,
        empty=_NONE,
        height=4,
    )


def _alarms(seen: Reach) -> Section:
    ongoing = Panel(
        key="ongoing-by-hour",
        title=Text(vi="Cảnh báo đang diễn ra theo giờ", en="Alarms going on, by hour"),
        about=Text(
            vi="Số cảnh báo chưa kết thúc vào cuối mỗi giờ, trong 7 ngày qua.",
            en="Alarms not over at the end of each hour, in the last 7 days.",
        ),
        kind=PanelKind.LINES,
        series=(Series(query=_ongoing(stepped=True)),),
        names=words.SEVERITIES,
        span=Span.WEEK,
        empty=_QUIET,
        least_step_s=3600,
        width=6,
    )
    begun = _bars(
        "alarms-by-severity",
        Text(vi="Cảnh báo theo mức độ", en="Alarms by severity"),
        _count(_ALARM, by=("severity",), stepped=True),
        names=words.SEVERITIES,
    )
    newest = _table(
        "last-alarms",
        Text(vi="Cảnh báo mới nhất", en="Newest alarms"),
        _rows(_ALARM, _BEGUN),
        seen,
    )
    return Section(
        key="alarms", title=Text(vi="Cảnh báo", en="Alarms"), panels=(ongoing, begun, newest)
    )


def _events(seen: Reach) -> Section:
    cameras = reach.camera_words(seen.cameras)
    panels = [
        _bars(
            "events-by-type",
            Text(vi="Sự kiện theo loại", en="Events by type"),
            _count(by=("type",), stepped=True),
            names=words.RULES,
        ),
        _bars(
            "events-by-class",
            Text(vi="Sự kiện theo đối tượng", en="Events by class"),
            _count(Where(key="cls", operator=Operator.IS_NOT), by=("cls",), stepped=True),
            names=words.CLASSES,
        ),
        _bars(
            "events-by-camera",
            Text(vi="Sự kiện theo camera", en="Events by camera"),
            _count(by=("camera",), stepped=True),
            names=reach.series_words(seen.cameras),
        ),
        _ranking(
            "camera-ranking",
            Text(vi="Camera có nhiều sự kiện nhất", en="Cameras with most events"),
            _ranked("camera"),
            values={"camera": cameras},
        ),
    ]
    if reach.has_zones(seen.cameras):
        in_zone = Where(key="zone", operator=Operator.IS_NOT)
        panels.append(
            _ranking(
                "zone-ranking",
                Text(vi="Vùng có nhiều sự kiện nhất", en="Zones with most events"),
                _ranked("camera", "zone", where=(in_zone,)),
                values={"camera": cameras, "zone": reach.zone_words(seen.cameras)},
            )
        )
    newest = Text(vi="Sự kiện mới nhất", en="Newest events")
    panels.append(_table("last-events", newest, _rows(), seen))
    return Section(key="events", title=Text(vi="Sự kiện", en="Events"), panels=tuple(panels))


def _crossings(seen: Reach) -> Section:
    line = Where(key="type", value="line")
    ways = tuple(
        Series(
            query=_count(line, Where(key="direction", value=way.value), stepped=True),
            name=way.text,
        )
        for way in words.DIRECTIONS
    )
    over_time = Panel(
        key="crossings",
        title=Text(vi="Lượt qua vạch theo chiều", en="Crossings by direction"),
        about=Text(
            vi="Chiều thuận là từ bên trái sang bên phải của vạch, nhìn từ điểm đầu của nó.",
            en="Forward is from the line's left to its right, seen from its first point.",
        ),
        kind=PanelKind.BARS,
        series=ways,
        empty=_QUIET,
        width=6,
    )
    ranking = _ranking(
        "crossing-ranking",
        Text(vi="Camera có nhiều lượt qua vạch nhất", en="Cameras with most crossings"),
        _ranked("camera", where=(line,)),
        values={"camera": reach.camera_words(seen.cameras)},
    )
    return Section(
        key="crossings", title=Text(vi="Qua vạch", en="Line crossings"), panels=(over_time, ranking)
    )


def _bars(key: str, title: Text, query: Query, *, names: tuple[Word, ...]) -> Panel:
    return Panel(
        key=key,
        title=title,
        about=Text(vi="Đếm lúc bắt đầu.", en="Counted as they begin."),
        kind=PanelKind.BARS,
        series=(Series(query=query),),
        names=names,
        empty=_QUIET,
        width=6,
    )


def _ranking(key: str, title: Text, query: Query, *, values: dict[str, tuple[Word, ...]]) -> Panel:
    return Panel(
        key=key,
        title=title,
        about=Text(
            vi=f"Nhiều nhất {_RANKED} dòng, trong khoảng thời gian đang xem.",
            en=f"At most {_RANKED} rows, in the time that is looked at.",
        ),
        kind=PanelKind.RANKING,
        series=(Series(query=query),),
        names=words.COLUMNS,
        values=values,
        empty=_QUIET,
        width=6,
    )


def _table(key: str, title: Text, query: Query, seen: Reach) -> Panel:
    return Panel(
        key=key,
        title=title,
        about=Text(
            vi=f"Nhiều nhất {_ROWS} dòng, mới nhất trên cùng.",
            en=f"At most {_ROWS} rows, the newest first.",
        ),
        kind=PanelKind.TABLE,
        series=(Series(query=query),),
        names=words.COLUMNS,
        values={
            "severity": words.SEVERITIES,
            "camera": reach.camera_words(seen.cameras),
            "type": words.RULES,
            "zone": reach.zone_words(seen.cameras),
            "cls": words.CLASSES,
            "phase": words.PHASES,
            "direction": words.DIRECTIONS,
            "rule": reach.rule_words(seen.cameras),
        },
        empty=_QUIET,
        height=11,
    )
