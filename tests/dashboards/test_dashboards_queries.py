"""Every query of every board on a real InfluxDB with an empty bucket and one with a day's life."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haidang_cloud.timeseries import Influx, InfluxSettings
from haidang_cloud.timeseries.lines import lines_of, lines_of_heartbeat
from haidang_dashboards.datasources import DataSource
from haidang_dashboards.grafana import identity
from haidang_dashboards.grafana.provision import bring, wanted
from haidang_dashboards.grafana.render import render
from haidang_protocols.boards import boards
from haidang_protocols.boards.model import Board, BoardKind
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.catalogue.loader import read_texts
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState, Heartbeat
from haidang_protocols.wire.records import Event, Gap, Phase, RecordClass, RuleKind
from haidang_protocols.wire.topics import Severity
from servers import start
from servers.grafana import Target

pytestmark = pytest.mark.influx

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"
SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
SPANS = {"now/d": "24h", "7d": "7d", "5m": "30m"}
"""Panels' own spans; a slow machine may take more than five minutes to get here."""


def catalogue_with_lines() -> Catalogue:
    (_, text) = read_texts(MINIMAL).popitem()
    rules = (
        "    lines: [{id: door, name: {vi: Cửa}, points: [[0, 0], [1, 1]]}]\n    rules:\n"
        "      - {id: in, kind: line, name: {vi: Vào}, line: door, classes: [person]}\n"
    )
    return load_texts({"a.yaml": text.replace("    rules:\n", rules)})


CATALOGUE = catalogue_with_lines()
BOARDS: dict[BoardKind, Board] = {b.kind: b for b in boards(CATALOGUE) if b.scope == "city"}
TARGETS = [
    pytest.param(panel, target, id=f"{kind}-{panel['title']}-{target['refId']}")
    for kind, board in BOARDS.items()
    for panel in render(board, language="en")["panels"]
    for target in panel.get("targets", ())
]


# --- a day's life of one gate -----------------------------------------------------------------


def event(t: int, seq: int, **fields: Any) -> list[str]:
    given: dict[str, Any] = {
        "t": t,
        "camera": "gate-east",
        "rule": "night-intrusion",
        "type": RuleKind.INTRUSION,
        "phase": Phase.BEGIN,
        "event": f"e{seq}",
        "severity": Severity.CRITICAL,
        "alarm": True,
        "zone": "yard",
        "cls": "person",
        "score": 0.75,
    }
    record = Event(**{**given, **fields})
    return lines_of(record, site="gate", node="gate-1", record_id=f"gate-1.ab.{seq}")


def crossing(t: int, seq: int, direction: str) -> list[str]:
    return event(
        t,
        seq,
        rule="in",
        type=RuleKind.LINE,
        phase=Phase.MOMENT,
        severity=Severity.INFO,
        alarm=False,
        zone="",
        direction=direction,
    )


def heartbeat(t: int, n: int) -> list[str]:
    beat = Heartbeat(
        at=t,
        clock=ClockState(boot="ab12cd34", mono=n, wall=t, synced=n < 18),
        cameras=(
            CameraHealth(
                id="gate-east",
                state=CameraState.LIVE if n > 2 else CameraState.STALLED,
                frame_age_s=0.25,
                fps=4.5,
                looked=n,
                restarts=n // 4,
            ),
        ),
        inference_p95_ms=40.5,
        spool_depth=30 - n,
        oldest_unsent_s=12.5,
        dropped=n // 5,
        temperature_c=61.5,
        throttled=False,
    )
    return lines_of_heartbeat(beat, site="gate", node="gate-1")


def a_day(now: int) -> list[bytes]:
    """Two alarms that ended and one that goes on, three crossings, a gap, heartbeats till now."""
    lines = [
        *event(now - 5 * HOUR, 1),
        *event(now - 4 * HOUR, 2, phase=Phase.END, event="e1", duration_s=3600.0),
        *event(now - 3 * HOUR, 3, severity=Severity.WARNING),
        *event(now - 2 * HOUR, 4, severity=Severity.WARNING, phase=Phase.END, event="e3"),
        *event(now - HOUR, 5),
        *crossing(now - 30 * MINUTE, 6, "forward"),
        *crossing(now - 20 * MINUTE, 7, "forward"),
        *crossing(now - 10 * MINUTE, 8, "backward"),
    ]
    gap = Gap(t=now - HOUR, ranges=((11, 17),), cls=RecordClass.OBSERVATION, reason="quota")
    lines += lines_of(gap, site="gate", node="gate-1", record_id="gate-1.ab.9")
    for n in range(20):
        lines += heartbeat(now - (20 - n) * 10 * SECOND, n)
    return [line.encode() for line in lines]


# --- buckets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def owner(influx: start.Influx) -> Iterator[Influx]:
    series = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    yield series
    series.close()


@pytest.fixture(scope="module")
def buckets(owner: Influx) -> Iterator[tuple[str, str]]:
    """An empty one and one with a day's life."""
    names = (f"empty-{secrets.token_hex(4)}", f"filled-{secrets.token_hex(4)}")
    for name in names:
        owner.ensure(name)
    assert owner.write(names[1], a_day(time.time_ns())) == []
    yield names
    for name in names:
        owner.drop(name)


Ask = Callable[[str, dict[str, Any], str], list[Any]]


def as_grafana_sends_it(panel: dict[str, Any], query: str, chosen: str) -> str:
    """What the browser and the server put in for the board's own words."""
    span = SPANS.get(panel.get("timeFrom", ""), "24h")
    for key in ("camera", "node"):
        query = query.replace(f"${{{key}:regex}}", chosen)
    query = query.replace("$timeFilter", f"time >= now() - {span} and time <= now()")
    query = query.replace("$__interval", panel["interval"])
    assert "$" not in query.replace("$/", ""), "no word of Grafana's is left"
    return query


def asked(
    owner: Influx, bucket: str, panel: dict[str, Any], target: dict[str, Any], chosen: str = ".*"
) -> list[Any]:
    return owner.query(bucket, as_grafana_sends_it(panel, target["query"], chosen))


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_an_empty_bucket_gives_no_answer_and_no_error(
    owner: Influx, buckets: tuple[str, str], panel: dict[str, Any], target: dict[str, Any]
) -> None:
    assert asked(owner, buckets[0], panel, target) == []


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_a_day_s_life_gives_values(
    owner: Influx, buckets: tuple[str, str], panel: dict[str, Any], target: dict[str, Any]
) -> None:
    series = asked(owner, buckets[1], panel, target)
    values = [value for each in series for row in each["values"] for value in row[1:]]
    assert any(value is not None for value in values)
    one = asked(owner, buckets[1], panel, target, chosen="(gate-east|gate-1)")
    assert len(one) == len(series), "choosing the only one changes nothing"
    assert asked(owner, buckets[1], panel, target, chosen="gone") == []


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_series_are_named_as_the_board_knows_them(
    owner: Influx, buckets: tuple[str, str], panel: dict[str, Any], target: dict[str, Any]
) -> None:
    """An override that matches no series would leave raw ids on the board."""
    known = {
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byName"
    }
    for series in asked(owner, buckets[1], panel, target):
        if target["resultFormat"] == "table":
            assert set(series["columns"]) <= known
        elif "$tag_node" not in target["alias"] and "$tag_" in target["alias"]:
            assert set(series["tags"].values()) <= known


# --- figures that can be counted by hand ------------------------------------------------------


@pytest.fixture
def figure(owner: Influx, buckets: tuple[str, str]) -> Callable[[str], dict[str, Any]]:
    """The last value of each series of a panel, by the series' tags."""

    def read(title: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for case in TARGETS:
            panel, target = case.values
            if panel["title"] == title:  # type: ignore[index]  # parameters of our own
                for series in asked(owner, buckets[1], panel, target):  # type: ignore[arg-type]
                    tags = " ".join(series.get("tags", {}).values())
                    found[tags or target["alias"]] = series["values"][-1][1]  # type: ignore[index]
        return found

    return read


@pytest.mark.parametrize(
    ("title", "wanted_figures"),
    [
        ("Alarms going on", {"critical": 1, "warning": 0}),
        ("Alarms today", {"Alarms today": 3}),
        ("Events today", {"Events today": 6}),
        ("Alarms going on, by hour", {"critical": 1, "warning": 0}),
        ("Nodes reporting (of 1)", {"Nodes reporting (of 1)": 1}),
        ("Cameras live (of 1)", {"Cameras live (of 1)": 1}),
        ("Nodes with a wrong clock", {"Nodes with a wrong clock": 1}),
        ("Oldest unsent record", {"Oldest unsent record": 12.5}),
        ("Highest temperature", {"Highest temperature": 61.5}),
        ("Records lost today", {"Records lost today": 7}),
    ],
)
def test_figures_are_those_of_the_day(
    figure: Callable[[str], dict[str, Any]], title: str, wanted_figures: dict[str, Any]
) -> None:
    assert figure(title) == wanted_figures


def test_sums_over_time_are_those_of_the_day(owner: Influx, buckets: tuple[str, str]) -> None:
    def total(title: str) -> dict[str, int]:
        sums: dict[str, int] = {}
        for case in TARGETS:
            panel, target = case.values
            if panel["title"] == title:  # type: ignore[index]  # parameters of our own
                for series in asked(owner, buckets[1], panel, target):  # type: ignore[arg-type]
                    name = " ".join(series.get("tags", {}).values()) or target["alias"]  # type: ignore[index]
                    sums[name] = sum(row[1] or 0 for row in series["values"])
        return sums

    assert total("Alarms by severity") == {"critical": 2, "warning": 1}
    assert total("Events by type") == {"intrusion": 3, "line": 3}
    assert total("Events by class") == {"person": 6}
    assert total("Crossings by direction") == {"Forward": 2, "Backward": 1}
    assert total("Camera restarts") == {"gate-east": 4}
    assert total("Records dropped by the node") == {"gate-1": 3}
    assert total("Lost records by class") == {"observation": 7}


def test_rows_come_newest_first_and_rankings_largest_first(
    owner: Influx, buckets: tuple[str, str]
) -> None:
    def rows(title: str) -> list[dict[str, Any]]:
        (case,) = [c for c in TARGETS if c.values[0]["title"] == title]  # type: ignore[index]
        (series,) = asked(owner, buckets[1], *case.values)  # type: ignore[arg-type]
        return [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]

    events = rows("Newest events")
    assert [row["phase"] for row in events[:4]] == ["moment", "moment", "moment", "begin"]
    assert events[0]["direction"] == "backward"
    assert [row["time"] for row in events] == sorted((r["time"] for r in events), reverse=True)
    assert len(events) == 8
    assert {row["severity"] for row in rows("Newest alarms")} == {"critical", "warning"}
    (zone,) = rows("Zones with most events")
    assert (zone["camera"], zone["zone"], zone["n"]) == ("gate-east", "yard", 3)
    (gap,) = rows("Newest gaps")
    assert (gap["node"], gap["class"], gap["count"], gap["reason"]) == (
        "gate-1",
        "observation",
        7,
        "quota",
    )


def test_days_begin_at_the_centre_s_midnight(owner: Influx) -> None:
    """23:30 and 00:30 in Vũng Tàu are one day in UTC, and two at the centre."""
    bucket = f"days-{secrets.token_hex(4)}"
    owner.ensure(bucket)
    midnight = 1_764_090_000 * SECOND  # 2025-11-26T00:00+07:00
    lines = [*event(midnight - HOUR // 2, 1), *event(midnight + HOUR // 2, 2)]
    owner.write(bucket, [line.encode() for line in lines])
    (case,) = [c for c in TARGETS if c.values[0]["title"] == "Alarms by severity"]  # type: ignore[index]
    query = case.values[1]["query"].replace("${camera:regex}", ".*")  # type: ignore[index]
    window = f"time >= {midnight - 24 * HOUR} and time < {midnight + 24 * HOUR}"
    query = query.replace("$timeFilter", window).replace("$__interval", "1d")
    (series,) = owner.query(bucket, query)
    counted = {row[0]: row[1] for row in series["values"]}
    assert counted[midnight - 24 * HOUR] == counted[midnight] == 1
    owner.drop(bucket)


# --- through Grafana --------------------------------------------------------------------------


def test_each_organisation_reads_its_own_bucket_and_no_other(
    target: Target, catalogue: Catalogue, centre: str, owner: Influx, influx: start.Influx
) -> None:
    sources = {}
    for scope in catalogue.scopes:
        bucket = f"{centre}-scope-{scope.id}"
        owner.ensure(bucket)
        token = owner.read_token(bucket)
        sources[scope.id] = DataSource(url=influx.url, bucket=bucket, database=bucket, token=token)
    owner.write(f"{centre}-scope-ba-ria", a_day(time.time_ns()))
    wants = wanted(catalogue, sources, language="vi")
    with target.gateway() as grafana:
        list(bring(grafana, catalogue, wants, write=True))

    def ask(scope: str, text: str) -> tuple[int, str]:
        uid = identity.data_source_uid(centre, scope)
        query = {
            "refId": "A",
            "datasource": {"type": "influxdb", "uid": uid},
            "rawQuery": True,
            "query": text,
            "resultFormat": "table",
        }
        body = {"queries": [query], "from": "now-1h", "to": "now"}
        number = target.organisation(centre, scope)
        status, found = target.ask("POST", "/api/ds/query", body, organisation=number)
        return status, repr(found)

    status, answer = ask("ba-ria", 'SELECT count("id") AS "n" FROM "event"')
    assert status == 200
    assert "8" in answer
    assert "error" not in answer
    _, nothing = ask("vung-tau", 'SELECT "rule" FROM "event"')
    assert "night-intrusion" not in nothing
    # a Viewer may send any query, also one that names another scope's bucket
    reach = f'SELECT "rule" FROM "{centre}-scope-ba-ria"."autogen"."event"'  # noqa: S608  # meant
    _, refused = ask("vung-tau", reach)
    assert "night-intrusion" not in refused
    health = f"/api/datasources/uid/{identity.data_source_uid(centre, 'ba-ria')}/health"
    number = target.organisation(centre, "ba-ria")
    assert target.ask("GET", health, organisation=number)[0] == 200
    for scope in catalogue.scopes:
        owner.drop(f"{centre}-scope-{scope.id}")
