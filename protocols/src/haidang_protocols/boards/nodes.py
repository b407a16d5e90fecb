"""The board of a scope's nodes: which are silent, which lag, which are hot, which see nothing."""

from haidang_protocols.boards import reach, words
from haidang_protocols.boards.model import (
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
    Unit,
    Where,
    Word,
)
from haidang_protocols.boards.reach import Reach
from haidang_protocols.catalogue.model import Catalogue, Text

_CHOSEN = Where(key="node", operator=Operator.CHOSEN)
_NONE = Text(vi="0", en="0")
_SILENT = Text(vi="Không có nút nào báo", en="No node reports")
_STEP_S = 30
"""Three heartbeats: one that is late makes no break."""

_ANY_IS_BAD = (Limit(value=0, tone=Tone.GOOD), Limit(value=1, tone=Tone.BAD))
_HEAT = (
    Limit(value=0, tone=Tone.GOOD),
    Limit(value=70, tone=Tone.NOTICE),
    Limit(value=80, tone=Tone.BAD),
)
_WAITING = (
    Limit(value=0, tone=Tone.GOOD),
    Limit(value=60, tone=Tone.NOTICE),
    Limit(value=600, tone=Tone.BAD),
)
_STALE = (
    Limit(value=-1, tone=Tone.NEUTRAL),
    Limit(value=5, tone=Tone.NOTICE),
    Limit(value=30, tone=Tone.BAD),
)


def nodes_board(catalogue: Catalogue, seen: Reach) -> Board:
    """The board of a scope in which nodes stand."""
    sections = [_now(seen), _spool(), _machine()]
    if seen.node_cameras:
        sections.append(_cameras(seen))
    sections.append(_gaps())
    name = seen.scope.name
    return Board(
        kind=BoardKind.NODES,
        centre=catalogue.centre.id,
        scope=seen.scope.id,
        title=Text(vi=f"Nút và camera · {name.vi}", en=f"Nodes and cameras · {name.en or name.vi}"),
        time_zone=catalogue.centre.time_zone,
        sections=tuple(sections),
        filters=(
            Filter(
                key="node",
                title=Text(vi="Nút", en="Node"),
                options=tuple(words.word(node.id, node.id, node.id) for node in seen.nodes),
            ),
        ),
        view_s=6 * 3600,
    )


def _latest(field: str, measurement: str, by: str) -> Query:
    """The newest value of each node or camera."""
    return Query(
        columns=(Column(key=field, name="now", how=Aggregate.LAST),),
        source=measurement,
        where=(_CHOSEN,),
        by=(by,),
    )


def _over(latest: Query, how: Aggregate, *where: Where) -> Query:
    """One value out of the newest of each."""
    return Query(columns=(Column(key="now", name="n", how=how),), source=(latest,), where=where)


def _stepped(
    field: str,
    how: Aggregate,
    *,
    by: str = "node",
    measurement: str = "node",
    running: Running | None = None,
    fill: Fill = Fill.NOTHING,
) -> Query:
    return Query(
        columns=(Column(key=field, name="n", how=how, running=running),),
        source=measurement,
        where=(_CHOSEN,),
        by=(by,),
        stepped=True,
        fill=fill,
    )


def _now(seen: Reach) -> Section:
    heard = _over(_latest("spool_depth", "node", "node"), Aggregate.COUNT)
    live = _over(
        _latest("state", "camera", "camera"), Aggregate.COUNT, Where(key="now", value="live")
    )
    wrong = _over(
        _latest("clock_synced", "node", "node"), Aggregate.COUNT, Where(key="now", value=False)
    )
    panels = [_of_all("nodes-heard", "Nút đang báo", "Nodes reporting", heard, len(seen.nodes))]
    if seen.node_cameras:
        total = len(seen.node_cameras)
        panels.append(_of_all("cameras-live", "Camera đang nhìn", "Cameras live", live, total))
    panels += [
        _stat("clocks-wrong", Text(vi="Nút sai giờ", en="Nodes with a wrong clock"), wrong),
        _stat(
            "oldest-unsent",
            Text(vi="Bản ghi chờ gửi lâu nhất", en="Oldest unsent record"),
            _over(_latest("oldest_unsent_s", "node", "node"), Aggregate.MAX),
            unit=Unit.SECONDS,
            limits=_WAITING,
            empty=_SILENT,
        ),
        _stat(
            "hottest",
            Text(vi="Nhiệt độ cao nhất", en="Highest temperature"),
            _over(_latest("temperature_c", "node", "node"), Aggregate.MAX),
            unit=Unit.CELSIUS,
            limits=_HEAT,
            empty=Text(vi="Không đo", en="Not measured"),
        ),
        _stat(
            "lost-today",
            Text(vi="Bản ghi mất hôm nay", en="Records lost today"),
            Query(
                columns=(Column(key="count", name="n", how=Aggregate.SUM),),
                source="gap",
                where=(_CHOSEN,),
            ),
            span=Span.TODAY,
        ),
    ]
    return Section(key="now", title=Text(vi="Hiện tại", en="Now"), panels=tuple(panels))


def _of_all(key: str, vi: str, en: str, query: Query, total: int) -> Panel:
    """How many of all that the catalogue names."""
    few = (Limit(value=0, tone=Tone.BAD), Limit(value=total, tone=Tone.GOOD))
    return _stat(key, Text(vi=f"{vi} (trên {total})", en=f"{en} (of {total})"), query, limits=few)


def _stat(
    key: str,
    title: Text,
    query: Query,
    *,
    unit: Unit = Unit.COUNT,
    limits: tuple[Limit, ...] = _ANY_IS_BAD,
    span: Span = Span.RECENT,
    empty: Text = _NONE,
) -> Panel:
    lately = Text(
        vi="Theo nhịp báo của 5 phút gần nhất.", en="By heartbeats of the last 5 minutes."
    )
    today = Text(vi="Từ 0 giờ theo giờ của trung tâm.", en="Since midnight at the centre.")
    return Panel(
        key=key,
        title=title,
        about=today if span is Span.TODAY else lately,
        kind=PanelKind.STAT,
        series=(Series(query=query, name=title),),
        unit=unit,
        limits=limits,
        span=span,
        empty=empty,
        least_step_s=_STEP_S,
        width=2,
        height=4,
    )


def _over_time(
    key: str,
    title: Text,
    about: Text,
    query: Query,
    *,
    kind: PanelKind = PanelKind.LINES,
    unit: Unit = Unit.COUNT,
    limits: tuple[Limit, ...] = (),
    names: tuple[Word, ...] = (),
    values: tuple[Word, ...] = (),
    empty: Text = _SILENT,
) -> Panel:
    return Panel(
        key=key,
        title=title,
        about=about,
        kind=kind,
        series=(Series(query=query),),
        unit=unit,
        limits=limits,
        names=names,
        values={"n": values} if values else {},
        empty=empty,
        least_step_s=_STEP_S,
        width=6,
    )


def _spool() -> Section:
    depth = _over_time(
        "spool-depth",
        Text(vi="Bản ghi chờ trong nút", en="Records waiting on the node"),
        Text(
            vi="Trung tâm chưa báo là đã lưu. Tăng mãi: mất mạng hoặc trung tâm không lưu được.",
            en="Not yet stored by the centre. Ever more: no network, or the centre cannot store.",
        ),
        _stepped("spool_depth", Aggregate.MAX),
    )
    oldest = _over_time(
        "spool-oldest",
        Text(vi="Tuổi của bản ghi chờ lâu nhất", en="Age of the oldest waiting record"),
        Text(vi="Gần 0 khi mọi thứ bình thường.", en="Near 0 when all is well."),
        _stepped("oldest_unsent_s", Aggregate.MAX),
        unit=Unit.SECONDS,
        limits=_WAITING,
    )
    return Section(
        key="spool", title=Text(vi="Hàng chờ gửi", en="Waiting to be sent"), panels=(depth, oldest)
    )


def _machine() -> Section:
    beats = _over_time(
        "heartbeats",
        Text(vi="Nhịp báo của nút", en="Heartbeats"),
        Text(
            vi="Mỗi nút báo 10 giây một lần; chỗ trống là nút im lặng.",
            en="Each node reports every 10 seconds; a hole is a silent node.",
        ),
        _stepped("spool_depth", Aggregate.COUNT, fill=Fill.ZERO),
        kind=PanelKind.BARS,
    )
    inference = _over_time(
        "inference",
        Text(vi="Thời gian nhận dạng, p95", en="Inference time, p95"),
        Text(vi="Lớn nhất trong mỗi bước.", en="The largest in each step."),
        _stepped("inference_p95_ms", Aggregate.MAX),
        unit=Unit.MILLISECONDS,
    )
    heat = _over_time(
        "temperature",
        Text(vi="Nhiệt độ", en="Temperature"),
        Text(vi="Từ 80 °C bo mạch tự hạ xung.", en="From 80 °C boards slow down by themselves."),
        _stepped("temperature_c", Aggregate.MAX),
        unit=Unit.CELSIUS,
        limits=_HEAT,
        empty=Text(vi="Không nút nào đo nhiệt độ", en="No node measures it"),
    )
    throttled = _over_time(
        "throttled",
        Text(vi="Bị hạ xung", en="Throttled"),
        Text(vi="Do nóng hoặc thiếu điện.", en="By heat or for want of power."),
        _stepped("throttled", Aggregate.LAST),
        kind=PanelKind.STATES,
        values=words.THROTTLED,
        empty=Text(vi="Không nút nào cho biết", en="No node tells"),
    )
    clock = _over_time(
        "clock",
        Text(vi="Đồng hồ", en="Clock"),
        Text(
            vi="Chưa đồng bộ: thời điểm của bản ghi có thể sai.",
            en="Not synchronised: the times of records may be wrong.",
        ),
        _stepped("clock_synced", Aggregate.LAST),
        kind=PanelKind.STATES,
        values=words.CLOCKS,
    )
    dropped = _over_time(
        "dropped",
        Text(vi="Bản ghi nút phải bỏ", en="Records dropped by the node"),
        Text(
            vi="Hàng chờ đầy: bỏ hạng thấp nhất trước, và ghi lại khoảng trống.",
            en="Its spool was full: the lowest class first, and a gap says which.",
        ),
        _stepped("dropped", Aggregate.MAX, running=Running.RISE),
        kind=PanelKind.BARS,
    )
    return Section(
        key="machine",
        title=Text(vi="Máy", en="Machine"),
        panels=(beats, inference, heat, throttled, clock, dropped),
    )


def _cameras(seen: Reach) -> Section:
    names = reach.series_words(seen.node_cameras)
    state = _over_time(
        "camera-state",
        Text(vi="Trạng thái camera", en="Camera state"),
        Text(vi="Chỗ trống: nút im lặng.", en="A hole: the node is silent."),
        _of_camera("state", Aggregate.LAST),
        kind=PanelKind.STATES,
        names=names,
        values=words.CAMERA_STATES,
    )
    age = _over_time(
        "frame-age",
        Text(vi="Tuổi của hình mới nhất", en="Age of the newest frame"),
        Text(vi="−1 khi chưa có hình nào.", en="−1 when there was no frame yet."),
        _of_camera("frame_age_s", Aggregate.MAX),
        unit=Unit.SECONDS,
        limits=_STALE,
        names=names,
    )
    rate = _over_time(
        "fps",
        Text(vi="Số hình xem mỗi giây", en="Frames looked at per second"),
        Text(
            vi="Ít đi khi không có gì chuyển động là bình thường.",
            en="Fewer while nothing moves is normal.",
        ),
        _of_camera("fps", Aggregate.MEAN),
        unit=Unit.FRAMES_PER_SECOND,
        names=names,
    )
    restarts = _over_time(
        "restarts",
        Text(vi="Số lần mở lại camera", en="Camera restarts"),
        Text(
            vi="Mở lại vì đứng hình, mất hình hoặc lỗi.",
            en="Opened again: frozen, stalled or failed.",
        ),
        _of_camera("restarts", Aggregate.MAX, running=Running.RISE),
        kind=PanelKind.BARS,
        names=names,
    )
    return Section(
        key="cameras",
        title=Text(vi="Camera", en="Cameras"),
        panels=(state, age, rate, restarts),
    )


def _of_camera(field: str, how: Aggregate, *, running: Running | None = None) -> Query:
    return _stepped(field, how, by="camera", measurement="camera", running=running)


def _gaps() -> Section:
    none = Text(vi="Không mất bản ghi nào", en="No record is lost")
    by_class = _over_time(
        "gaps",
        Text(vi="Bản ghi mất theo hạng", en="Lost records by class"),
        Text(
            vi="Bản ghi sẽ không bao giờ tới, theo lời của nút.",
            en="Records that will never come, in the node's own words.",
        ),
        Query(
            columns=(Column(key="count", name="n", how=Aggregate.SUM),),
            source="gap",
            where=(_CHOSEN,),
            by=("class",),
            stepped=True,
            fill=Fill.ZERO,
        ),
        kind=PanelKind.BARS,
        names=words.RECORD_CLASSES,
        empty=none,
    )
    newest = Panel(
        key="last-gaps",
        title=Text(vi="Khoảng trống mới nhất", en="Newest gaps"),
        about=Text(vi="Nhiều nhất 50 dòng.", en="At most 50 rows."),
        kind=PanelKind.TABLE,
        series=(
            Series(
                query=Query(
                    columns=tuple(
                        Column(key=key, name=key) for key in ("node", "class", "count", "reason")
                    ),
                    source="gap",
                    where=(_CHOSEN,),
                    newest=50,
                )
            ),
        ),
        names=words.COLUMNS,
        values={"class": words.RECORD_CLASSES, "reason": words.GAP_REASONS},
        empty=none,
        width=6,
    )
    return Section(key="gaps", title=Text(vi="Khoảng trống", en="Gaps"), panels=(by_class, newest))
