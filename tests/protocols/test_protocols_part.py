"""A node's part of the catalogue: enough for the node, and nothing of anybody else's."""

import time
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import province
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.checks import findings
from haidang_protocols.catalogue.part import NodePart, decode_part, encode_part, parts
from haidang_protocols.wire.desired import may_sign
from haidang_protocols.wire.errors import MessageRefusedError

WHOLE = load_texts({"a.yaml": province.TEXT})


def part_of(node: str, whole: Catalogue = WHOLE) -> NodePart:
    (found,) = [part for part in parts(whole, 7) if part.node == node]
    return found


def test_a_part_names_nobody_and_nothing_that_another_node_has() -> None:
    part = part_of("cong-1").catalogue
    assert (part.people, part.roles) == ((), ())
    assert [camera.id for camera in part.cameras] == ["cong-dong"]
    assert [node.id for node in part.nodes] == ["cong-1"]
    assert [site.id for site in part.sites] == ["cong"]
    assert {place.id for place in part.places} == {"cong", "phuong-1", "vung-tau", "tinh"}
    assert {scope.id for scope in part.scopes} == {"phuong-1", "vung-tau", "cong-an", "centre"}
    text = encode_part(part_of("cong-1"))
    assert "cho-tay" not in text
    assert "Trần Thị Bình" not in text


def test_a_part_is_read_as_it_was_written() -> None:
    for part in parts(WHOLE, 7):
        assert decode_part(encode_part(part)) == part


def test_a_rule_s_scope_may_lie_elsewhere() -> None:
    text = province.TEXT.replace("severity: critical,", "severity: critical, scope: ba-ria,")
    whole = load_texts({"a.yaml": text})
    part = part_of("cong-1", whole).catalogue
    assert list(findings(part)) == []
    assert part.owner_scope(part.cameras[0], "dem") == "ba-ria"


def test_a_part_is_whole_without_the_place_that_takes_over_one_day() -> None:
    ward = "kind: ward, parent: vung-tau"
    last_day = "valid_to: 2030-06-30, successor: tam-thang"
    heir = f"\n  - {{id: tam-thang, name: {{vi: Tam Thắng}}, {ward}}}"
    text = province.TEXT.replace(f"{ward}}}", f"{ward}, {last_day}}}{heir}")
    whole = load_texts({"a.yaml": text})
    part = part_of("cong-1", whole)
    assert decode_part(encode_part(part)) == part
    assert [place.id for place in part.catalogue.places] == ["tinh", "vung-tau", "phuong-1", "cong"]
    assert "tam-thang" not in encode_part(part)


def test_a_part_costs_what_is_in_it_however_large_the_whole_is() -> None:
    def spent_s(nodes: int) -> float:
        whole = made(Shape([-1] * nodes, [], [(i, i, -1) for i in range(nodes)]), nodes=nodes)
        begin_s = time.process_time()
        assert len(list(parts(whole, 1))) == nodes
        return time.process_time() - begin_s

    few_s = spent_s(200)
    # ten times as many take ten times as long; it was a hundred times
    assert spent_s(2000) < 40 * few_s


@dataclass(frozen=True)
class Shape:
    """A province at random: each place's parent, each scope's kind and places, each camera's."""

    parents: list[int]
    scopes: list[tuple[str, list[int]]]
    cameras: list[tuple[int, int, int]]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    count = draw(st.integers(1, 8))
    place = st.integers(0, count - 1)
    parents = [draw(st.integers(-1, i - 1)) for i in range(count)]
    kinds = st.sampled_from(["locality", "department"])
    scopes = draw(st.lists(st.tuples(kinds, st.lists(place, min_size=1, max_size=4)), max_size=5))
    camera = st.tuples(st.integers(0, 2), place, st.integers(-1, len(scopes)))
    return Shape(parents, scopes, draw(st.lists(camera, max_size=6)))


def made(shape: Shape, *, nodes: int = 3) -> Catalogue:
    said = {
        "centre": {"id": "t", "name": {"vi": "T"}, "time_zone": "Asia/Ho_Chi_Minh"},
        "places": [
            {"id": f"p{i}", "name": {"vi": "P"}, "kind": "spot"}
            | ({} if parent < 0 else {"parent": f"p{parent}"})
            for i, parent in enumerate(shape.parents)
        ],
        "scopes": [
            {"id": "all", "kind": "centre", "name": {"vi": "S"}},
            *(
                {"id": f"s{i}", "kind": k, "name": {"vi": "S"}, "places": [f"p{p}" for p in ps]}
                for i, (k, ps) in enumerate(shape.scopes)
            ),
        ],
        "sites": [{"id": "s", "name": {"vi": "S"}, "place": "p0"}],
        "nodes": [{"id": f"n{i}", "site": "s"} for i in range(nodes)],
        "models": [{"name": "m", "classes": ["person"]}],
        "cameras": [
            {
                "id": f"c{i}",
                "node": f"n{node}",
                "name": {"vi": "C"},
                "place": f"p{place}",
                "source": "a.mp4",
                "model": "m",
                "zones": [{"id": "z", "name": {"vi": "Z"}, "polygon": [[0, 0], [1, 0], [1, 1]]}],
                "rules": [
                    {"id": "r", "kind": "intrusion", "name": {"vi": "R"}, "zone": "z"}
                    | {"classes": ["person"]}
                    | ({} if scope < 0 else {"scope": f"s{scope - 1}" if scope else "all"})
                ],
            }
            for i, (node, place, scope) in enumerate(shape.cameras)
        ],
    }
    return load_texts({"a.yaml": msgspec.json.encode(said).decode()})


@given(shapes())
def test_in_its_part_a_camera_s_alarm_has_the_same_owner_as_in_the_whole(shape: Shape) -> None:
    whole = made(shape)
    found = list(parts(whole, 1))
    assert [part.node for part in found] == [node.id for node in whole.nodes]
    for part in found:
        read = decode_part(encode_part(part)).catalogue
        assert read.cameras == whole.cameras_of(part.node)
        for camera in read.cameras:
            assert read.owner_scope(camera, "r") == whole.owner_scope(camera, "r")
            assert read.owner_scope(camera, "no rule") == whole.owner_scope(camera, "no rule")


@pytest.mark.parametrize("text", ["", "5", "{}", '{"node": "n", "version": 0}', "\ud800"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(MessageRefusedError, match="NodePart"):
        decode_part(text)


def test_a_part_whose_entries_do_not_fit_together_is_refused_with_its_mistake() -> None:
    text = encode_part(part_of("cong-1")).replace('"zone":"san"', '"zone":"sanh"')
    with pytest.raises(CatalogueRefusedError, match=r"cameras\[0\]\.rules\[0\]\.zone = .sanh."):
        decode_part(text)


def test_what_a_newer_centre_says_besides_is_left_out() -> None:
    part = part_of("cho-1")
    said = msgspec.json.decode(encode_part(part))
    said["wanted_by"] = "2030"
    said["catalogue"]["cameras"][0]["lens"] = "wide"
    assert decode_part(msgspec.json.encode(said).decode()) == part


@pytest.mark.parametrize(
    ("cn", "may"),
    [
        ("demo.worker.w1", True),
        ("demo.worker.", False),
        ("demo.worker", False),
        ("demo.ingest.w1", False),
        ("other.worker.w1", False),
        ("gate-1", False),
        ("", False),
    ],
)
def test_only_a_worker_of_the_centre_says_what_its_nodes_run(cn: str, may: bool) -> None:
    assert may_sign(cn, "demo") is may
