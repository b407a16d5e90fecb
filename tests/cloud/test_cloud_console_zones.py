"""Zones drawn in the console become a change of the catalogue's text, and of nothing else in it."""

from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from fakes.wall import text
from haidang_cloud.console.zones import (
    Drawing,
    LineGiven,
    NameGiven,
    ZoneGiven,
    changes,
    redrawn,
)
from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.model import Camera, IntrusionRule, LineRule, Text

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
ACROSS = ((0.2, 0.5), (0.8, 0.5))
YARD, DOOR = NameGiven(vi="Sân"), NameGiven(vi="Cửa sau", en="Back door")
COMMENTED = """\
centre: {id: demo, name: {vi: Thử}, time_zone: Asia/Ho_Chi_Minh}
places: [{id: gate, name: {vi: Cổng}, kind: spot}]
scopes: [{id: centre, kind: centre, name: {vi: Tất cả}}]
sites: [{id: gate, name: {vi: Cổng}, place: gate}]
nodes: [{id: gate-1, site: gate}]
models: [{name: ssd, classes: [person, car]}]
cameras:
  # the one at the door
  - id: east
    node: gate-1
    name: {vi: Đông}
    place: gate
    source: a.mp4
    model: ssd
    zones:
      # drawn by hand
      - id: yard
        name: {vi: Sân}
        polygon: [[0, 0], [1, 0], [1, 1]]
    # watched at night
    rules:
      - {id: night, kind: intrusion, name: {vi: Đêm}, zone: yard, classes: [person]}
    notice: biển báo  # what the sign says
  - {id: west, node: gate-1, name: {vi: Tây}, place: gate, source: b.mp4, model: ssd}  # new
"""


def camera_of(catalogue: Catalogue, number: str) -> Camera:
    return next(one for one in catalogue.cameras if one.id == number)


def zone(**values: Any) -> ZoneGiven:
    return ZoneGiven(**{"id": "yard", "name": YARD, "polygon": SQUARE, **values})


def line(**values: Any) -> LineGiven:
    return LineGiven(**{"name": DOOR, "points": ACROSS, **values})


def draw(
    source: str,
    number: str,
    *zones: ZoneGiven,
    lines: Sequence[LineGiven] = (),
    dropped: Sequence[str] = (),
) -> tuple[str, Camera]:
    texts = {"a.yaml": source, "b.yaml": "# nothing\n"}
    drawing = Drawing(zones=zones, lines=tuple(lines), dropped=tuple(dropped))
    before = load_texts(texts)
    changed, found = redrawn(texts, camera_of(before, number), drawing)
    assert changed["b.yaml"] == texts["b.yaml"]
    for camera in before.cameras:
        assert camera.id == number or camera_of(found, camera.id) == camera
    return changed["a.yaml"], camera_of(found, number)


def test_a_zone_moves_and_everything_else_stays_as_it_was_written() -> None:
    changed, camera = draw(COMMENTED, "east", zone())
    assert camera.zones[0].polygon == SQUARE
    for kept in ("# the one at the door", "# watched at night", "# what the sign says", "# new"):
        assert kept in changed
    before = camera_of(load_texts({"a.yaml": COMMENTED}), "east")
    assert camera.rules == before.rules
    assert camera.zones[0].name == before.zones[0].name
    assert "rules:\n      - {id: night" in changed


def test_a_file_that_a_program_wrote_is_changed_as_well() -> None:
    """Its dashes stand right under their key."""
    written = yaml.safe_dump(yaml.safe_load(COMMENTED), sort_keys=False, allow_unicode=True)
    assert "  zones:\n  - id: yard" in written
    given = (zone(name=DOOR), zone(id=None, name=DOOR, watch=("car",)))
    changed, camera = draw(written, "east", *given, lines=[line()])
    assert [one.id for one in camera.zones] == ["yard", "cua-sau"]
    again, camera = draw(changed, "east", *given[:1], dropped=[camera.rules[-1].id])
    assert (len(camera.zones), len(camera.lines), len(camera.rules)) == (1, 0, 1)
    assert load_texts({"a.yaml": again}).cameras[0] == camera


def test_what_is_drawn_as_it_was_changes_nothing() -> None:
    changed, _ = draw(COMMENTED, "east", zone(polygon=((0, 0), (1, 0), (1, 1))))
    assert changed == COMMENTED


@pytest.mark.parametrize("number", ["east", "west"])
def test_a_new_zone_raises_alarms_by_a_rule_of_its_own(number: str) -> None:
    kept = [zone()] if number == "east" else []
    _, camera = draw(COMMENTED, number, *kept, zone(id=None, name=DOOR, watch=("person",)))
    assert camera.zones[-1].id == "cua-sau"
    rule = camera.rules[-1]
    assert isinstance(rule, IntrusionRule)
    assert (rule.zone, rule.classes, rule.alarm) == ("cua-sau", ("person",), True)
    assert rule.name == Text(vi="Vào Cửa sau", en="In Back door")
    assert len(camera.rules) == len(kept) + 1


def test_a_line_is_drawn_watched_moved_renamed_and_taken_away() -> None:
    source, camera = draw(COMMENTED, "west", lines=[line(watch=("car",))])
    assert [(one.id, one.points) for one in camera.lines] == [("cua-sau", ACROSS)]
    (rule,) = camera.rules
    assert isinstance(rule, LineRule)
    assert (rule.line, rule.classes, rule.direction) == ("cua-sau", ("car",), "both")

    turned = line(id="cua-sau", points=ACROSS[::-1], name=NameGiven(vi=" Cổng "))
    source, camera = draw(source, "west", lines=[turned])
    assert camera.lines[0].points == ACROSS[::-1]
    assert camera.lines[0].name == Text(vi="Cổng")
    assert [one.name.vi for one in camera.rules] == ["Qua Cổng"], "it was called after the line"

    with pytest.raises(RefusedError, match="line 'Cổng' is watched by 'Qua Cổng'"):
        draw(source, "west")
    _, camera = draw(source, "west", dropped=[camera.rules[0].id])
    assert (camera.lines, camera.rules) == ((), ())


def test_a_rule_with_a_name_of_its_own_keeps_it() -> None:
    _, camera = draw(COMMENTED, "east", zone(name=DOOR))
    assert camera.zones[0].name == Text(vi="Cửa sau", en="Back door")
    assert camera.rules[0].name.vi == "Đêm"


def test_what_is_different_is_told_in_words() -> None:
    _, before = draw(COMMENTED, "east", zone(), lines=[line()])
    given = (zone(name=DOOR), zone(id=None, name=DOOR, watch=("car",)))
    _, after = draw(COMMENTED, "east", *given, dropped=["night"])
    assert [(one.what, one.kind, one.name.vi) for one in changes(before, after)] == [
        ("renamed", "zone", "Cửa sau"),
        ("added", "zone", "Cửa sau"),
        ("removed", "line", "Cửa sau"),
        ("added", "rule", "Vào Cửa sau"),
        ("removed", "rule", "Đêm"),
    ]
    _, moved = draw(COMMENTED, "east", zone(polygon=SQUARE[:3]), lines=[line()])
    assert [(one.what, one.kind) for one in changes(before, moved)] == [("moved", "zone")]


def test_two_zones_of_one_name_have_ids_of_their_own() -> None:
    again = [zone(id=None, name=NameGiven(vi="Sân!")) for _ in range(3)]
    _, camera = draw(COMMENTED, "west", *again)
    assert [one.id for one in camera.zones] == ["san", "san-2", "san-3"]


def test_a_zone_that_a_rule_watches_cannot_be_taken_away() -> None:
    with pytest.raises(RefusedError, match="zone 'Sân' is watched by 'Đêm'"):
        draw(COMMENTED, "east")
    _, camera = draw(COMMENTED, "east", dropped=["night"])
    assert (camera.zones, camera.rules) == ((), ())


def test_what_crosses_itself_or_has_no_length_is_refused() -> None:
    bow = ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))
    with pytest.raises(CatalogueRefusedError, match=r"zones\[0\]"):
        draw(COMMENTED, "west", zone(id=None, polygon=bow))
    with pytest.raises(CatalogueRefusedError, match=r"lines\[0\]"):
        draw(COMMENTED, "west", lines=[line(points=(ACROSS[0], ACROSS[0]))])


@pytest.mark.parametrize(
    ("zones", "lines", "dropped", "said"),
    [
        ([zone(id="roof")], [], [], "no zone 'roof'"),
        ([zone()], [line(id="roof")], [], "no line 'roof'"),
        ([zone()], [], ["noon"], "no rule 'noon'"),
        ([zone(name=NameGiven(vi="  "))], [], [], "needs a name"),
    ],
)
def test_what_is_not_there_or_has_no_name_is_refused(
    zones: list[ZoneGiven], lines: list[LineGiven], dropped: list[str], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        draw(COMMENTED, "east", *zones, lines=lines, dropped=dropped)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
)
def test_any_name_can_be_given(name: str) -> None:
    assume(name.strip())
    given = zone(id=None, name=NameGiven(vi=name), watch=("car",))
    _, camera = draw(COMMENTED, "west", given)
    assert camera.zones[0].name.vi == name.strip()


def test_drawing_again_and_again_leaves_one_list() -> None:
    source = text(1)
    kept = line(id="vach", name=NameGiven(vi="Vạch dừng", en="Stop line"))
    for step in range(4):
        shifted = tuple((x, y - step / 100) for x, y in SQUARE)
        zones = (zone(id="loi-di", polygon=shifted), zone(id="san"))
        source, camera = draw(source, "cang-1", *zones, lines=[kept])
    assert camera.zones[0].polygon[0] == (0.1, 0.07)
    assert source.count("zones:") == text(1).count("zones:")
    assert source.count("lines:") == text(1).count("lines:")
