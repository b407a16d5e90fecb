"""One contract for the time series, and InfluxDB's refusals one by one."""

import math
import secrets
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.scripted_influx import Say, ScriptedInflux
from haidang_cloud.errors import StoreMisconfiguredError, StoreUnavailableError
from haidang_cloud.timeseries import Influx, InfluxSettings, Point, Refusal, TimeSeries
from haidang_cloud.timeseries.lines import line_of, lines_of, lines_of_heartbeat, parse
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState, Heartbeat
from haidang_protocols.wire.records import (
    Event,
    Gap,
    LineCount,
    Observation,
    Phase,
    RecordClass,
    RuleKind,
    ZoneCount,
)
from servers import start

NOW = 1_764_000_000_000_000_000


def event(t: int = NOW, **changes: object) -> Event:
    values: dict[str, object] = {
        "t": t,
        "camera": "gate-east",
        "rule": "night",
        "type": RuleKind.INTRUSION,
        "phase": Phase.BEGIN,
        "event": "e-1",
        "zone": "yard",
        "cls": "traffic light",
        "score": 0.875,
        "track": 7,
        "box": (0.1, 0.2, 0.30000000000000004, 1.0),
    }
    return Event(**{**values, **changes})  # type: ignore[arg-type]


def lines(record: Event | Observation | Gap) -> list[bytes]:
    made = lines_of(record, site="gate", node="gate-1", record_id="gate-1.ab.1")
    return [line.encode() for line in made]


def read(series: TimeSeries, bucket: str, measurement: str) -> list[Point]:
    return list(series.read(bucket, measurement))


def test_an_event_comes_back_as_it_went_in(series: TimeSeries, bucket: str) -> None:
    assert series.write(bucket, lines(event())) == []
    (point,) = read(series, bucket, "event")
    assert point.t == NOW
    assert point.tags == {
        "site": "gate",
        "node": "gate-1",
        "camera": "gate-east",
        "type": "intrusion",
        "phase": "begin",
        "severity": "info",
        "zone": "yard",
        "cls": "traffic light",
    }
    assert point.fields["id"] == "gate-1.ab.1"
    assert point.fields["track"] == 7
    assert point.fields["x1"] == 0.30000000000000004
    assert point.fields["alarm"] is False


def test_the_same_again_is_the_same_point_and_fields_join(series: TimeSeries, bucket: str) -> None:
    series.write(bucket, lines(event()) * 2)
    series.write(bucket, lines(event()))
    assert series.count(bucket, "event", "id") == 1
    series.write(bucket, [b"m,a=1 x=1 5", b"m,a=1 y=2 5"])
    (point,) = read(series, bucket, "m")
    assert point.fields == {"x": 1.0, "y": 2.0}


def test_reads_are_bounded_by_time_and_tags(series: TimeSeries, bucket: str) -> None:
    stamps = [NOW + n for n in range(5)]
    series.write(bucket, [line for t in stamps for line in lines(event(t))])
    series.write(bucket, lines(event(NOW + 2, camera="gate-west")))
    found = series.read(
        bucket, "event", from_ns=NOW + 1, to_ns=NOW + 3, tags={"camera": "gate-east"}
    )
    assert [point.t for point in found] == [NOW + 1, NOW + 2, NOW + 3]
    assert list(series.read(bucket, "event", tags={"camera": "o'clock \\"})) == []


def test_much_is_read_in_pieces_while_it_is_written_elsewhere(
    series: TimeSeries, bucket: str
) -> None:
    many = [line for n in range(12_000) for line in lines(event(NOW + n))]
    for at in range(0, len(many), 5000):
        assert series.write(bucket, many[at : at + 5000]) == []
    copy = f"{bucket}-copy"
    series.ensure(copy)
    seen = 0
    for point in series.read(bucket, "event"):
        if seen % 5000 == 0:
            series.write(copy, [line_of(point).encode()])
        seen += 1
    assert seen == 12_000
    assert series.count(copy, "event", "id") == 3
    series.drop(copy)


def test_a_line_that_is_none_is_refused_alone(series: TimeSeries, bucket: str) -> None:
    good = [line for n in range(40) for line in lines(event(NOW + n))]
    bad = [*good[:17], b"no line protocol", *good[17:]]
    refused = series.write(bucket, bad)
    assert [refusal.index for refusal in refused] == [17]
    assert refused[0].why
    assert series.count(bucket, "event", "id") == 40


def test_a_bucket_that_is_not_there_is_a_person_s_to_mend(series: TimeSeries) -> None:
    with pytest.raises(StoreMisconfiguredError):
        series.write(f"none-{secrets.token_hex(4)}", lines(event()))


@pytest.mark.influx
def test_a_read_token_reads_its_bucket_and_no_other(influx: start.Influx) -> None:
    owner = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    one, two = f"one-{secrets.token_hex(4)}", f"two-{secrets.token_hex(4)}"
    for name in (one, two):
        owner.ensure(name)
        owner.ensure(name)
        owner.write(name, lines(event()))
    token = owner.read_token(one)
    assert owner.read_token(one) == token
    guest = Influx(InfluxSettings(url=influx.url, org=influx.org, token=token))
    assert len(list(guest.read(one, "event"))) == 1
    with pytest.raises(StoreMisconfiguredError):
        list(guest.read(two, "event"))
    with pytest.raises(StoreMisconfiguredError):
        guest.write(one, lines(event()))
    for opened in (owner, guest):
        opened.close()


@pytest.mark.influx
def test_a_type_conflict_is_refused_and_the_rest_is_stored(influx: start.Influx) -> None:
    series = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token, gzip=True))
    bucket = f"types-{secrets.token_hex(4)}"
    series.ensure(bucket)
    series.write(bucket, [b"m,a=0 x=1 1"])
    refused = series.write(bucket, [b"m,a=0 x=2 2", b"m,a=0 x=3i 3", b"m,a=0 x=4 4"])
    assert [r.index for r in refused] == [1]
    assert "conflict" in refused[0].why
    assert series.count(bucket, "m", "x") == 3
    series.close()


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85"),
    max_size=20,
)
TAG = TEXT.filter(lambda value: value and not value.endswith("\\") and "\\" not in value)


@given(
    tags=st.dictionaries(st.sampled_from(["site", "zone", "cls"]), TAG),
    numbers=st.floats(allow_nan=False, allow_infinity=False),
    words=TEXT,
    flag=st.booleans(),
    whole=st.integers(-(2**62), 2**62),
    t=st.integers(0, 2**62),
)
def test_lines_are_taken_apart_as_they_were_put_together(
    tags: dict[str, str], numbers: float, words: str, flag: bool, whole: int, t: int
) -> None:
    fields: dict[str, float | int | bool | str] = {
        "score": numbers,
        "rule": words,
        "alarm": flag,
        "track": whole,
    }
    point = Point(measurement="event", tags=tags, t=t, fields=fields)
    assert parse(line_of(point)) == point


@pytest.mark.influx
def test_awkward_words_survive_a_real_server(influx: start.Influx) -> None:
    series = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    bucket = f"words-{secrets.token_hex(4)}"
    series.ensure(bucket)
    words = ['a "quoted" \\ one', "comma, equals= blank", "phường Thắng Tam", "\\", "'"]
    points = [
        Point(
            measurement="event",
            tags={"zone": f"z{n} , = x"},
            t=NOW + n,
            fields={"rule": word, "score": math.pi * n, "track": n},
        )
        for n, word in enumerate(words)
    ]
    assert series.write(bucket, [line_of(point).encode() for point in points]) == []
    found = sorted(read(series, bucket, "event"), key=lambda point: point.t)
    assert found == points
    series.close()


def test_observations_crossings_gaps_and_heartbeats_become_points() -> None:
    observation = Observation(
        t=NOW,
        camera="cam",
        interval_s=60.0,
        frames=300,
        counts=(ZoneCount(zone="yard", cls="person", mean=1.5, max=3),),
        crossings=(LineCount(line="door", cls="person", forward=4, backward=1),),
    )
    first, second = (
        parse(line) for line in lines_of(observation, site="s", node="n", record_id="r")
    )
    assert first.fields == {"mean": 1.5, "max": 3, "frames": 300, "interval_s": 60.0}
    assert second.fields == {"forward": 4, "backward": 1}
    assert second.tags["line"] == "door"
    empty = Observation(t=NOW, camera="cam", interval_s=60.0, frames=300)
    (nothing,) = lines_of(empty, site="s", node="n", record_id="r")
    assert parse(nothing).fields["max"] == 0
    gap = Gap(t=NOW, ranges=((1, 3), (7, 7)), cls=RecordClass.SNAPSHOT, reason='full "disk"')
    (told,) = lines_of(gap, site="s", node="n", record_id="r")
    assert parse(told).fields == {"count": 4, "reason": 'full "disk"'}
    beat = Heartbeat(
        at=NOW,
        clock=ClockState(boot="b", mono=1, wall=NOW, synced=True),
        cameras=(CameraHealth(id="cam", state=CameraState.FROZEN, frame_age_s=9),),
        temperature_c=61.5,
    )
    node, camera = (parse(line) for line in lines_of_heartbeat(beat, site="s", node="n"))
    assert node.fields["temperature_c"] == 61.5
    assert camera.fields["state"] == "frozen"


def test_unknown_zones_make_no_series_of_their_own() -> None:
    (line,) = lines_of(
        event(zone="invented"), site="s", node="n", record_id="r", known=lambda _c, z: z == "yard"
    )
    assert parse(line).tags["zone"] == "other"


def scripted(server: ScriptedInflux, **options: float) -> Influx:
    return Influx(InfluxSettings(url=server.url, org="o", token="t", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [400, 422])
def test_the_line_at_fault_is_found_and_the_rest_stored(status: int) -> None:
    server = ScriptedInflux(poison=b"poison", status=status)
    series = scripted(server)
    sent = [b"m x=%d %d" % (n, n) for n in range(100)]
    sent[63] = b"m poison 63"
    assert [r.index for r in series.write("b", sent)] == [63]
    assert set(server.lines) == {line for line in sent if b"poison" not in line}
    assert len(server.answers) <= 15, "found by halving"
    series.close()
    server.close()


def test_too_much_at_once_is_halved() -> None:
    server = ScriptedInflux()
    server.limit = 10
    series = scripted(server)
    assert series.write("b", [b"m x=%d %d" % (n, n) for n in range(70)]) == []
    assert len(server.lines) == 70
    series.close()
    server.close()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_person_must_mend(status: int) -> None:
    server = ScriptedInflux([Say(status)])
    series = scripted(server)
    with pytest.raises(StoreMisconfiguredError, match=str(status)):
        series.write("b", [b"m x=1 1"])
    series.close()
    server.close()


@pytest.mark.parametrize(("status", "asked"), [(429, 7.0), (503, 0.0), (500, 0.0)])
def test_what_passes_by_itself(status: int, asked: float) -> None:
    server = ScriptedInflux([Say(status, retry_after=str(int(asked)) if asked else "")])
    series = scripted(server)
    with pytest.raises(StoreUnavailableError) as caught:
        series.write("b", [b"m x=1 1"])
    assert caught.value.retry_after_s == asked
    series.close()
    server.close()


def test_a_lost_answer_after_the_write_is_asked_again_with_the_same_bytes() -> None:
    server = ScriptedInflux([Say(stores=True, hangs=True)])
    series = scripted(server)
    with pytest.raises(StoreUnavailableError):
        series.write("b", [b"m x=1 1"])
    assert series.write("b", [b"m x=1 1"]) == []
    assert list(server.lines) == [b"m x=1 1"]
    series.close()
    server.close()


def test_a_connection_that_the_server_ended_meanwhile_is_no_outage() -> None:
    server = ScriptedInflux([Say(stores=True), Say(hangs=True)])
    series = scripted(server)
    assert series.write("b", [b"m x=1 1"]) == []
    assert series.write("b", [b"m x=2 2"]) == []
    assert set(server.lines) == {b"m x=1 1", b"m x=2 2"}
    series.close()
    server.close()


def test_a_server_that_asks_for_years_gets_minutes() -> None:
    server = ScriptedInflux([Say(503, retry_after="1e300"), Say(503, retry_after="tomorrow")])
    series = scripted(server)
    for asked in (300.0, 0.0):
        with pytest.raises(StoreUnavailableError) as caught:
            series.write("b", [b"m x=1 1"])
        assert caught.value.retry_after_s == asked
    series.close()
    server.close()


def test_a_server_that_is_not_there() -> None:
    series = Influx(
        InfluxSettings(url=f"http://127.0.0.1:{start.free_port()}", org="o", token="t", timeout_s=2)
    )
    begun = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        series.write("b", [b"m x=1 1"])
    assert time.monotonic() - begun < 5
    series.close()


def test_a_refusal_is_worth_reading() -> None:
    assert Refusal(3, "400: partial write").why.startswith("400")
