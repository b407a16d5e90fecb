"""Scope buckets on every pair of databases: what a scope sees is there, what it must not is not."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from fakes.province import SECOND_NS, TEXT, alarm_of, province
from haidang_cloud.errors import StoreUnavailableError
from haidang_cloud.state import State, dirty
from haidang_cloud.state.dirty import Window
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import Point, Refusal, private_bucket, scope_bucket
from haidang_cloud.timeseries.lines import lines_of, lines_of_heartbeat
from haidang_cloud.timeseries.projection import HEALTH, RECORDS, ensure_buckets, project
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState, Heartbeat
from haidang_protocols.wire.records import Gap, Observation, Record, RecordClass, ZoneCount

T = 1_700_000_000 * SECOND_NS
SCOPES = ("centre", "cong-an", "vung-tau", "phuong-1", "ba-ria")
OVER_GATE = {"centre", "cong-an", "vung-tau", "phuong-1"}
OVER_MARKET = {"centre", "cong-an", "ba-ria"}


@pytest.fixture
def catalogue(series: TimeSeries) -> Iterator[Catalogue]:
    """A province under a name of its own: the time series' server is shared."""
    name = f"t{secrets.token_hex(5)}"
    made = province(TEXT.replace("centre: {id: tinh", f"centre: {{id: {name}"))
    ensure_buckets(series, made)
    yield made
    series.drop(private_bucket(name))
    for scope in SCOPES:
        series.drop(scope_bucket(name, scope))


def store(series: TimeSeries, catalogue: Catalogue, *lines: str) -> None:
    series.write(private_bucket(catalogue.centre.id), [line.encode() for line in lines])


def mark(
    state: State, catalogue: Catalogue, dataset: str, place: str, from_ns: int, to_ns: int
) -> None:
    window = Window(dataset=dataset, place=place, from_ns=from_ns, to_ns=to_ns)
    with state.write() as connection:
        dirty.mark(state, connection, catalogue.centre.id, [window], T)


def waiting(state: State, catalogue: Catalogue) -> list[Window]:
    centre = catalogue.centre.id
    return dirty.read(state, centre, RECORDS) + dirty.read(state, centre, HEALTH)


def seen(
    series: TimeSeries, catalogue: Catalogue, measurement: str, field: str
) -> Mapping[str, int]:
    counts = {
        scope: series.count(scope_bucket(catalogue.centre.id, scope), measurement, field)
        for scope in SCOPES
    }
    return {scope: count for scope, count in counts.items() if count}


def event_lines(record: Record, node: str, number: int) -> list[str]:
    site = node.partition("-")[0]
    return lines_of(record, site=site, node=node, record_id=f"{node}.x.{number}")


def test_events_go_where_their_place_is_seen_and_observations_nowhere(
    state: State, series: TimeSeries, catalogue: Catalogue
) -> None:
    counted = Observation(
        t=T,
        camera="cong-dong",
        interval_s=60,
        frames=9,
        counts=(ZoneCount(cls="person", mean=1.0, max=2),),
    )
    store(
        series,
        catalogue,
        *event_lines(alarm_of("e1", T), "cong-1", 1),
        *event_lines(alarm_of("e2", T + 1), "cong-1", 2),
        *event_lines(alarm_of("e3", T, camera="cho-tay"), "cho-1", 1),
        *event_lines(counted, "cong-1", 3),
    )
    mark(state, catalogue, RECORDS, "cong", T, T + 1)
    assert project(state, series, catalogue) == 2
    assert seen(series, catalogue, "event", "rule") == dict.fromkeys(OVER_GATE, 2)
    mark(state, catalogue, RECORDS, "cho", T, T)
    mark(state, catalogue, RECORDS, "cong", T, T)  # again, and it changes nothing
    project(state, series, catalogue)
    assert seen(series, catalogue, "event", "rule") == {
        scope: 2 * (scope in OVER_GATE) + (scope in OVER_MARKET) for scope in SCOPES
    }
    assert seen(series, catalogue, "observation", "mean") == {}
    (copy,) = series.read(scope_bucket(catalogue.centre.id, "ba-ria"), "event")
    (own,) = series.read(private_bucket(catalogue.centre.id), "event", tags={"camera": "cho-tay"})
    assert copy == own
    assert waiting(state, catalogue) == []
    assert project(state, series, catalogue) == 0


def test_what_came_late_recomputes_its_own_time_only(
    state: State, series: TimeSeries, catalogue: Catalogue
) -> None:
    early = T - 86_400 * SECOND_NS
    for number, t in enumerate((early, T), 1):
        store(series, catalogue, *event_lines(alarm_of(f"e{number}", t), "cong-1", number))
    mark(state, catalogue, RECORDS, "cong", early, early)
    assert project(state, series, catalogue) == 1


def test_health_and_gaps_go_where_the_nodes_site_is_seen(
    state: State, series: TimeSeries, catalogue: Catalogue
) -> None:
    beat = Heartbeat(
        at=T,
        clock=ClockState(boot="b", mono=1, wall=T, synced=True),
        cameras=(CameraHealth(id="cong-dong", state=CameraState.LIVE),),
    )
    gap = Gap(t=T, ranges=((1, 3),), cls=RecordClass.EVENT, reason="quota")
    store(series, catalogue, *lines_of_heartbeat(beat, site="cong", node="cong-1"))
    store(series, catalogue, *event_lines(gap, "cong-1", 9))
    mark(state, catalogue, HEALTH, "cong", T, T)
    mark(state, catalogue, HEALTH, "cho", T, T)
    assert project(state, series, catalogue) == 3
    for measurement, field in (("node", "spool_depth"), ("camera", "state"), ("gap", "count")):
        assert seen(series, catalogue, measurement, field) == dict.fromkeys(OVER_GATE, 1)


class Hindered:
    """Time series that something happens to at each write."""

    def __init__(self, series: TimeSeries) -> None:
        self.series = series
        self.happens: Callable[[], None] = lambda: None

    def write(self, bucket: str, lines: Sequence[bytes]) -> list[Refusal]:
        self.happens()
        return self.series.write(bucket, lines)

    def read(self, *arguments: object, **options: object) -> Iterator[Point]:
        return self.series.read(*arguments, **options)  # type: ignore[arg-type]


def test_a_mark_while_a_window_is_copied_and_a_store_that_goes_away_lose_nothing(
    state: State, series: TimeSeries, catalogue: Catalogue
) -> None:
    store(series, catalogue, *event_lines(alarm_of("e1", T), "cong-1", 1))
    mark(state, catalogue, RECORDS, "cong", T, T)
    hindered = Hindered(series)

    def away() -> None:
        raise StoreUnavailableError("away")

    hindered.happens = away
    with pytest.raises(StoreUnavailableError):
        project(state, hindered, catalogue)  # type: ignore[arg-type]
    assert len(waiting(state, catalogue)) == 1
    hindered.happens = lambda: mark(state, catalogue, RECORDS, "cong", T, T + 5)
    assert project(state, hindered, catalogue) == 1  # type: ignore[arg-type]
    (window,) = waiting(state, catalogue)
    assert window.to_ns == T + 5
    assert project(state, series, catalogue) == 1
    assert waiting(state, catalogue) == []
