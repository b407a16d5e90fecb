"""The catalogue's loader: a good one loads, a bad one tells every mistake where it stands."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fakes import province
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load, load_texts
from haidang_protocols.catalogue.model import IntrusionRule, LineRule
from haidang_protocols.wire.topics import Severity

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"
PLACES = """
centre: {id: t, name: {vi: Tỉnh}, time_zone: Asia/Ho_Chi_Minh}
scopes: [{id: centre, kind: centre, name: {vi: Toàn tỉnh}}]
places:
"""
CAMERA = """
centre: {id: t, name: {vi: Tỉnh}, time_zone: Asia/Ho_Chi_Minh}
scopes: [{id: centre, kind: centre, name: {vi: Toàn tỉnh}}]
places: [{id: p, name: {vi: P}, kind: spot}]
sites: [{id: s, name: {vi: S}, place: p}]
nodes: [{id: n, site: s}]
models: [{name: m, classes: [person, car]}]
cameras:
  - id: c
    node: n
    name: {vi: C}
    place: p
    source: a.mp4
    model: m
    zones:
      - {id: yard, name: {vi: Sân}, polygon: [[0, 0], [1, 0], [1, 1]]}
    lines:
      - {id: door, name: {vi: Cửa}, points: [[0, 0], [1, 1]]}
    rules:
      - {id: r, kind: intrusion, name: {vi: R}, zone: yard, classes: [person]}
"""


def told(texts: str | Mapping[str, str]) -> list[str]:
    """The mistakes of a catalogue, one a line; none when it loads."""
    given_texts = {"a.yaml": texts} if isinstance(texts, str) else texts
    try:
        load_texts(given_texts)
    except CatalogueRefusedError as error:
        return [str(problem) for problem in error.problems]
    return []


def swapped(old: str, new: str, text: str = CAMERA) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_the_smallest_centre_loads_and_fits_on_a_page() -> None:
    catalogue = load(MINIMAL)
    assert catalogue.centre.name.vi == "Trung tâm thử nghiệm"
    (camera,) = catalogue.cameras
    (rule,) = camera.rules
    assert isinstance(rule, IntrusionRule)
    assert (rule.severity, rule.alarm, rule.zone) == (Severity.CRITICAL, True, "yard")
    lines = sum(len(file.read_text().splitlines()) for file in MINIMAL.rglob("*.yaml"))
    assert lines <= 60


def test_a_catalogue_stands_in_one_file_or_in_many(tmp_path: Path) -> None:
    whole = yaml.safe_load(CAMERA)
    (tmp_path / "below").mkdir()
    for name, part in whole.items():
        file = tmp_path / ("below" if name == "cameras" else ".") / f"{name}.yaml"
        file.write_text(yaml.safe_dump({name: part}, allow_unicode=True))
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert load(tmp_path) == load_texts({"a.yaml": CAMERA})


def test_lists_of_several_files_are_joined_and_mistakes_stand_where_they_were_made() -> None:
    more = "places:\n  - {id: q, name: {vi: Q}, kind: spot, parent: nowhere}\n"
    assert told({"a.yaml": CAMERA, "b.yaml": more}) == [
        "b.yaml:2: places[1].parent = 'nowhere': there is no place of that id; known: p, q"
    ]
    again = "\ncentre: {id: u, name: {vi: U}, time_zone: UTC}\n"
    assert told({"a.yaml": CAMERA, "b.yaml": again}) == [
        "b.yaml:2: centre = 'centre': stands in two places; a catalogue has one"
    ]


def test_a_catalogue_survives_the_wire() -> None:
    """Other programs get it as JSON on their standard input."""
    catalogue = load_texts({"a.yaml": CAMERA})
    raw = msgspec.json.encode(catalogue)
    assert msgspec.json.decode(raw, type=Catalogue) == catalogue
    assert load_texts({"a.json": raw.decode()}) == catalogue


BAD = """
centre: {id: T, name: {vi: Tỉnh}, time_zone: Mars/Base}
scopes:
  - {id: centre, kind: centre, name: {vi: A}}
  - {id: case, kind: centre, name: {vi: B}}
  - {id: city, kind: locality, name: {vi: C}}
  - {id: town, kind: locality, name: {vi: D}, places: [nowhere]}
places:
  - {id: p, name: {vi: P}, kind: planet}
  - {id: p, name: {vi: P}, kind: spot}
roles:
  - {id: r, name: {vi: R}, rights: [case.read, case.eat]}
people:
  - {login: an, name: An, grants: [{role: king, scope: moon}]}
sites: [{id: s, name: {vi: S}, place: nowhere}]
nodes: [{id: n, site: nowhere}]
models: [{name: m, classes: [person], sha256: abc}]
cameras:
  - id: c
    node: gone
    name: {vi: C}
    place: p
    source: a.mp4
    model: m
    fsp: 5
    fps: 0
    zones:
      - {id: z, name: {vi: Z}, polygon: [[0, 0], [1.5, 0], [1, 1]]}
      - {id: bow, name: {vi: Z}, polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}
    rules:
      - {id: r, kind: intrusion, name: {vi: R}, zone: z, classes: [bear]}
      - {id: r, kind: crowd, name: {vi: R}, zone: nowhere, classes: [person], count: 1}
      - {id: x, kind: arson, name: {vi: R}, zone: z, classes: [person]}
invented: 1
"""


def test_every_mistake_is_told_at_once() -> None:
    assert told(BAD) == [
        "a.yaml:2: centre.id = 'T': must be 1 to 48 of a-z 0-9 _ -, beginning with a letter or "
        "digit",
        "a.yaml:2: centre.time_zone = 'Mars/Base': is no time zone; give one such as "
        "Asia/Ho_Chi_Minh",
        "a.yaml:5: scopes[1].id = 'case': is reserved: answer, case, ingest, node",
        "a.yaml:5: scopes[1].kind = 'centre': stands twice; a centre has one such scope",
        "a.yaml:6: scopes[2].places: is empty: only the centre's scope sees all",
        "a.yaml:7: scopes[3].places[0] = 'nowhere': there is no place of that id; known: p",
        "a.yaml:9: places[0].kind = 'planet': must be one of province, city, district, ward, spot",
        "a.yaml:10: places[1].id = 'p': stands twice; ids are unique",
        "a.yaml:12: roles[0].rights[1] = 'case.eat': must be one of case.read, case.answer, "
        "snapshot.read, node.read, node.command, board.read, audit.read, deadletter.replay, "
        "catalogue.publish, people.manage",
        "a.yaml:14: people[0].grants[0].role = 'king': there is no role of that id; known: r",
        "a.yaml:14: people[0].grants[0].scope = 'moon': there is no scope of that id; known: "
        "case, centre, city, town",
        "a.yaml:15: sites[0].place = 'nowhere': there is no place of that id; known: p",
        "a.yaml:16: nodes[0].site = 'nowhere': there is no site of that id; known: s",
        "a.yaml:17: models[0].sha256 = 'abc': must be 64 hex digits",
        "a.yaml:20: cameras[0].node = 'gone': there is no node of that id; known: n",
        "a.yaml:25: cameras[0].fsp = 'fsp': unknown key (did you mean fps?); allowed: id, node, "
        "name, place, source, model, fps, idle_look_s, observe_s, gate, zones, lines, rules, "
        "notice",
        "a.yaml:26: cameras[0].fps = '0': must be a number and above 0 and at most 60",
        "a.yaml:28: cameras[0].zones[0].polygon[1][0] = '1.5': must be a number and at least 0.0 "
        "and at most 1.0",
        "a.yaml:29: cameras[0].zones[1].polygon: crosses itself; give its corners in order around "
        "it",
        "a.yaml:31: cameras[0].rules[0].classes[0] = 'bear': there is no class in model m of that "
        "id; known: person",
        "a.yaml:32: cameras[0].rules[1].count = '1': must be a whole number and at least 2 and at "
        "most 10000",
        "a.yaml:32: cameras[0].rules[1].id = 'r': stands twice; ids are unique",
        "a.yaml:32: cameras[0].rules[1].zone = 'nowhere': there is no zone on this camera of that "
        "id; known: bow, z",
        "a.yaml:33: cameras[0].rules[2].kind = 'arson': must be one of crowd, intrusion, line, "
        "loitering",
        "a.yaml:34: invented = 'invented': unknown key; allowed: centre, places, scopes, roles, "
        "people, sites, nodes, models, cameras",
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("node: n\n", "node: [n]\n", "a.yaml:10: cameras[0].node: must be 1 to 48 of"),
        ("id: c\n", "id: 7\n", "a.yaml:9: cameras[0].id = '7': must be 1 to 48 of"),
        ("id: c\n", "id: yes\n", "a.yaml:9: cameras[0].id = 'yes': must be 1 to 48 of"),
        ("{vi: Sân}", "{en: Yard}", "a.yaml:16: cameras[0].zones[0].name.vi: is missing"),
        ("{vi: Sân}", "Sân", "a.yaml:16: cameras[0].zones[0].name = 'Sân': must be a mapping"),
        ("    model: m\n", "", "a.yaml:9: cameras[0].model: is missing"),
        (
            "source: a.mp4",
            "source: a.mp4\n    source: b.mp4",
            "cameras[0].source = 'source': stands twice",
        ),
        (
            "[[0, 0], [1, 0], [1, 1]]",
            "[[0, 0], [1, 0]]",
            "polygon: has 2 entries; must have at least 3",
        ),
        (
            "[[0, 0], [1, 0], [1, 1]]",
            "[[0, 0], [1, 0], [1]]",
            "polygon[2]: has 1 entries; must have 2",
        ),
        ("[[0, 0], [1, 0], [1, 1]]", "[[0, 0], [1, 0], [0.5, 0]]", "polygon: "),
        ("[[0, 0], [1, 1]]", "[[1, 1], [1, 1]]", "lines[0].points: are one point"),
        ("kind: intrusion, ", "", "rules[0]: kind is missing; it must be one of crowd, intrusion"),
        ("zone: yard", "line: door", "rules[0].line = 'line': unknown key"),
        ("kind: intrusion", "kind: line", "rules[0].zone = 'zone': unknown key"),
        (
            "classes: [person]}",
            "classes: []}",
            "rules[0].classes: has 0 entries; must have at least 1",
        ),
        ("classes: [person]}", "classes: [person], release: [cow]}", "release[0] = 'cow'"),
        (
            "classes: [person]}",
            "classes: [person], scope: moon}",
            "scope = 'moon': there is no scope",
        ),
        (
            "classes: [person]}",
            "classes: [person], after_s: soon}",
            "after_s = 'soon': must be a number",
        ),
        (
            "classes: [person]}",
            "classes: [person], alarm: maybe}",
            "alarm = 'maybe': must be true or false",
        ),
        (
            "classes: [person]}",
            "classes: [person], severity: dire}",
            "must be one of info, warning",
        ),
        (
            "classes: [person]}",
            "classes: [person], schedule: [at night]}",
            "schedule[0] = 'at night': must be days and hours such as 'mon-fri 22:00-05:00'",
        ),
        ("Asia/Ho_Chi_Minh", "Asia", "centre.time_zone = 'Asia': is no time zone"),
        (
            "{id: centre, kind: centre, name: {vi: Toàn tỉnh}}",
            "",
            "scopes: needs one scope of kind",
        ),
        ("cameras:\n", "cameras: {}\nx:\n", "cameras: must be a list"),
    ],
)
def test_one_mistake_is_told_with_its_place(old: str, new: str, mistake: str) -> None:
    found = told(swapped(old, new))
    assert any(mistake in line for line in found), found


def test_a_mistake_is_not_blamed_on_what_refers_to_it() -> None:
    assert told(
        swapped("{id: s, name: {vi: S}, place: p}", "{id: S1, name: {vi: S}, place: p}")
    ) == [
        "a.yaml:5: sites[0].id = 'S1': must be 1 to 48 of a-z 0-9 _ -, beginning with a letter or "
        "digit",
        "a.yaml:6: nodes[0].site = 's': there is no site of that id; known: S1",
    ]
    assert told(swapped("kind: centre", "kind: center")) == [
        "a.yaml:3: scopes[0].kind = 'center': must be one of centre, department, locality"
    ]
    assert len(told(swapped("kind: intrusion", "kind: arson"))) == 1


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{", "a.yaml:1: file: no YAML: "),
        ("a: b: c", "a.yaml:1: file: no YAML: mapping values are not allowed here"),
        ("centre: *nowhere", "a.yaml:1: file: no YAML: found undefined alias"),
        ("--- {}\n--- {}", "a.yaml:2: file: no YAML: but found another document"),
        ("centre: \x00", "a.yaml:1: file: no YAML: "),
        ("[1]", "a.yaml:1: file: must be a mapping of centre, places"),
        ("just words", "a.yaml:1: file = 'just words': must be a mapping of centre, places"),
    ],
)
def test_what_is_no_catalogue_at_all(text: str, mistake: str) -> None:
    (line,) = told(text)
    assert line.startswith(mistake)


def test_files_that_cannot_be_read_are_told_by_name(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(CatalogueRefusedError) as caught:
            load(path)
        return str(caught.value)

    assert "holds no *.yaml file" in refused(tmp_path)
    assert "cannot be read: No such file" in refused(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes("centre: Tỉnh".encode("utf-16"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    said = refused(tmp_path)
    assert "the catalogue has 2 mistakes:" in said
    assert "latin.yaml:1: file: is not UTF-8" in said
    assert "large.yaml:1: file: is larger than 8388608 bytes" in said


@pytest.mark.parametrize(
    ("places", "mistakes"),
    [
        (["{id: a, kind: ward, parent: a}"], ["places[0].parent = 'a': makes a ring"]),
        (
            ["{id: a, kind: ward, parent: b}", "{id: b, kind: ward, parent: a}"],
            ["places[0].parent = 'b': makes a ring", "places[1].parent = 'a': makes a ring"],
        ),
        (
            ["{id: a, kind: ward, valid_from: 2025-07-01, valid_to: 2025-06-30}"],
            ["places[0].valid_to = 2025-06-30: is before valid_from 2025-07-01"],
        ),
        (
            ["{id: a, kind: ward, successor: b}", "{id: b, kind: ward}"],
            ["places[0].successor = 'b': needs valid_to, its last day"],
        ),
        (
            ["{id: a, kind: ward, valid_to: 9999-12-31, successor: b}", "{id: b, kind: ward}"],
            ["places[0].successor = 'b': needs valid_to, its last day"],
        ),
        (
            ["{id: a, kind: ward, valid_to: 2025-06-30, successor: gone}"],
            ["places[0].successor = 'gone': there is no place of that id; known: a"],
        ),
        (
            ["{id: a, kind: ward, valid_to: 2025-06-30, successor: a}"],
            ["places[0].successor = 'a': is the place itself"],
        ),
        (
            [
                "{id: a, kind: ward, valid_to: 2025-06-30, successor: b}",
                "{id: b, kind: ward, valid_from: 2025-07-02}",
            ],
            ["places[0].successor = 'b': does not stand on 2025-07-01, when it takes over"],
        ),
        (
            [
                "{id: a, kind: ward, valid_to: 2025-06-30, successor: b}",
                "{id: b, kind: ward, valid_to: 2026-06-30, successor: a}",
            ],
            ["places[1].successor = 'a': does not stand on 2026-07-01, when it takes over"],
        ),
        (
            [
                "{id: a, kind: ward, valid_to: 2025-06-30, successor: b}",
                "{id: b, kind: ward, valid_from: 2025-07-01}",
            ],
            [],
        ),
    ],
)
def test_places_and_their_dates(places: list[str], mistakes: list[str]) -> None:
    entries = "".join(f"  - {p[:-1]}, name: {{vi: P}}}}\n" for p in places)
    found = told(PLACES + entries)
    assert len(found) == len(mistakes), found
    assert all(mistake in line for line, mistake in zip(found, mistakes, strict=True)), found


def test_dates_are_read_as_days() -> None:
    place = "  - {id: a, kind: ward, name: {vi: P}, valid_from: 2025-07-01}\n"
    assert load_texts({"a.yaml": PLACES + place}).places[0].valid_from == date(2025, 7, 1)
    moment = place.replace("2025-07-01", "2025-07-01T00:00:00Z")
    (line,) = told(PLACES + moment)
    assert "must be a date such as 2025-07-01" in line


def test_who_sees_a_place() -> None:
    catalogue = province.province()
    assert [s.id for s in catalogue.scopes_over("cong")] == [
        "phuong-1",
        "vung-tau",
        "cong-an",
        "centre",
    ]
    assert catalogue.lineage("cong") == ("cong", "phuong-1", "vung-tau", "tinh")
    camera = catalogue.cameras[0]
    assert catalogue.owner_scope(camera, "dem") == "phuong-1"
    assert catalogue.owner_scope(camera, "unknown") == "phuong-1"
    assert catalogue.scope_of_centre().id == "centre"
    assert [c.id for c in catalogue.cameras_of("cong-1")] == ["cong-dong"]
    assert catalogue.node("gone") is None


def test_a_rule_may_name_who_is_told() -> None:
    text = swapped("classes: [person]}", "classes: [person], scope: centre}")
    catalogue = load_texts({"a.yaml": text})
    assert catalogue.owner_scope(catalogue.cameras[0], "r") == "centre"


def test_line_rules_say_which_way_counts() -> None:
    rule = "kind: line, name: {vi: R}, line: door, direction: %s, classes: [person]}"
    text = swapped("kind: intrusion, name: {vi: R}, zone: yard, classes: [person]}", rule)
    read = load_texts({"a.yaml": text % "forward"}).cameras[0].rules[0]
    assert isinstance(read, LineRule)
    assert read.direction == "forward"
    assert len(told(text % "up")) == 1


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_YAML = st.recursive(
    _SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below),
    max_leaves=6,
)


@given(
    name=st.sampled_from(sorted(yaml.safe_load(BAD))),
    field=st.sampled_from(["id", "name", "kind", "places", "zones", "rules", "grants", "polygon"]),
    value=_YAML,
)
def test_whatever_is_written_it_loads_or_its_mistakes_are_told(
    name: str, field: str, value: object
) -> None:
    whole = yaml.safe_load(CAMERA)
    at = whole.setdefault(name, [{}])
    entry = at[0] if isinstance(at, list) else at
    entry[field] = value
    told({"a.yaml": yaml.safe_dump(whole)})
    whole[name] = value
    told({"a.yaml": yaml.safe_dump(whole)})


def test_a_node_has_no_more_cameras_than_a_message_brings() -> None:
    """Two hundred with a zone of 64 corners each are too many; a hundred are not."""
    corners = [[round(0.5 + n / 1000, 4), round(n * n / 9000, 5)] for n in range(64)]

    def centre(count: int) -> str:
        said = msgspec.yaml.decode(CAMERA)
        (camera,) = said["cameras"]
        camera["zones"][0]["polygon"] = corners
        said["cameras"] = [camera | {"id": f"c{n}"} for n in range(count)]
        return msgspec.json.encode(said).decode()

    assert told(centre(100)) == []
    (found,) = told(centre(200))
    assert "nodes[0].id = 'n': has " in found
    assert "give some of them to another node" in found
