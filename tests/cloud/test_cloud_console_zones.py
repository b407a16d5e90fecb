"""Zones drawn in the console become a change of the catalogue's text, and of nothing else in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.wall import text
from haidang_cloud.console.zones import ZoneGiven, redrawn
from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.model import Camera, IntrusionRule

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
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


def draw(source: str, number: str, *given: ZoneGiven) -> tuple[str, Catalogue]:
    texts = {"a.yaml": source, "b.yaml": "# nothing\n"}
    changed, found = redrawn(texts, camera_of(load_texts(texts), number), given)
    assert changed["b.yaml"] == texts["b.yaml"]
    return changed["a.yaml"], found


def test_a_zone_moves_and_everything_else_stays_as_it_was_written() -> None:
    changed, found = draw(COMMENTED, "east", ZoneGiven(id="yard", polygon=SQUARE))
    assert camera_of(found, "east").zones[0].polygon == SQUARE
    for kept in ("# the one at the door", "# watched at night", "# what the sign says", "# new"):
        assert kept in changed
    before = load_texts({"a.yaml": COMMENTED})
    assert found.cameras[1] == before.cameras[1]
    assert camera_of(found, "east").rules == camera_of(before, "east").rules
    assert camera_of(found, "east").zones[0].name == camera_of(before, "east").zones[0].name


@pytest.mark.parametrize("number", ["east", "west"])
def test_a_new_zone_raises_alarms_by_a_rule_of_its_own(number: str) -> None:
    kept = [ZoneGiven(id="yard", polygon=SQUARE)] if number == "east" else []
    fresh = ZoneGiven(name="Cửa sau", polygon=SQUARE, watch=("person",))
    _, found = draw(COMMENTED, number, *kept, fresh)
    camera = camera_of(found, number)
    assert [zone.id for zone in camera.zones][-1] == "cua-sau"
    rule = camera.rules[-1]
    assert isinstance(rule, IntrusionRule)
    assert (rule.zone, rule.classes, rule.alarm) == ("cua-sau", ("person",), True)
    assert len(camera.rules) == len(kept) + 1


def test_two_zones_of_one_name_have_ids_of_their_own() -> None:
    again = [ZoneGiven(name="Sân!", polygon=SQUARE) for _ in range(3)]
    _, found = draw(COMMENTED, "west", *again)
    assert [zone.id for zone in camera_of(found, "west").zones] == ["san", "san-2", "san-3"]


def test_a_zone_that_a_rule_watches_cannot_be_taken_away() -> None:
    with pytest.raises(CatalogueRefusedError, match="yard"):
        draw(COMMENTED, "east")


def test_a_zone_that_crosses_itself_is_refused() -> None:
    bow = ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))
    with pytest.raises(CatalogueRefusedError, match=r"zones\[0\]"):
        draw(COMMENTED, "west", ZoneGiven(name="x", polygon=bow))


def test_a_zone_that_is_not_there_is_refused() -> None:
    with pytest.raises(RefusedError, match="'roof'"):
        draw(COMMENTED, "east", ZoneGiven(id="roof", polygon=SQUARE))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
)
def test_any_name_can_be_given(name: str) -> None:
    _, found = draw(COMMENTED, "west", ZoneGiven(name=name, polygon=SQUARE, watch=("car",)))
    assert camera_of(found, "west").zones[0].name.vi == name


def test_drawing_again_and_again_leaves_one_list() -> None:
    source = text(1)
    for step in range(4):
        shifted = tuple((x, y - step / 100) for x, y in SQUARE)
        zones = (ZoneGiven(id="loi-di", polygon=shifted), ZoneGiven(id="san", polygon=SQUARE))
        source, found = draw(source, "cang-1", *zones)
    assert camera_of(found, "cang-1").zones[0].polygon[0] == (0.1, 0.07)
    assert source.count("zones:") == text(1).count("zones:")
