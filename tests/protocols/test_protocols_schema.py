"""The generated documents: as committed, whole, and true to the types and the access lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import haidang_protocols.wire.messages as messages_module
from haidang_protocols.wire import acl, topics
from haidang_protocols.wire.acl import Verb
from haidang_protocols.wire.asyncapi import CHANNELS, document
from haidang_protocols.wire.names import NAME_PATTERN
from haidang_protocols.wire.records import Record
from haidang_protocols.wire.schema import DIALECT, PAYLOADS, files, main, schemas, write
from haidang_protocols.wire.topics import NodeLeaf

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLACEHOLDERS = ("{centre}", "{site}", "{node}")
SCHEMAS = schemas()


def structs(kind: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    for part in kind.__subclasses__():
        yield part
        yield from structs(part)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "$ref":
                yield below
            else:
                yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def follow(whole: Any, pointer: str) -> Any:
    for word in pointer.removeprefix("#/").split("/"):
        whole = whole[word.replace("~1", "/").replace("~0", "~")]
    return whole


def test_the_committed_documents_are_those_that_the_types_give() -> None:
    there = {
        str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
        for path in [DOCS / "asyncapi.yaml", *(DOCS / "schemas").iterdir()]
    }
    assert there == files(), "run `make docs` and commit what it writes"


def test_every_message_of_the_wire_has_a_schema() -> None:
    travelling = {
        kind
        for kind in structs()
        if kind.__module__.startswith("haidang_protocols.wire.")
        and "v" in kind.__struct_fields__
        and not kind.__name__.startswith("_")
        and kind is not messages_module.Message
    }
    assert travelling
    assert travelling <= set(PAYLOADS.values())


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_schema_names_every_field_and_its_references_lead_somewhere(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == DIALECT
    for kind in get_args(PAYLOADS[name]) or (PAYLOADS[name],):
        part = schema["$defs"][kind.__name__]
        tag = {kind.__struct_config__.tag_field} - {None}
        assert set(part["properties"]) == set(kind.__struct_encode_fields__) | tag
        assert part["description"]
    for reference in references(schema):
        if reference.startswith("#"):
            assert follow(schema, reference)
        else:
            assert reference.removesuffix(".json") in SCHEMAS


@pytest.mark.parametrize("name", sorted(set(PAYLOADS) - {"record", "refusal"}))
def test_every_message_must_say_its_version(name: str) -> None:
    part = SCHEMAS[name]["$defs"][PAYLOADS[name].__name__]
    assert part["properties"]["v"]["const"] == 1
    assert "v" in part["required"]


def test_records_are_told_apart_by_their_kind() -> None:
    mapping = SCHEMAS["record"]["discriminator"]["mapping"]
    assert set(mapping) == {kind.__struct_config__.tag for kind in get_args(Record)}
    assert SCHEMAS["batch"]["$defs"]["Batch"]["properties"]["records"]["items"] == {
        "$ref": "record.json"
    }


def test_attributes_of_the_docstrings_are_told_with_the_fields() -> None:
    fields = SCHEMAS["record"]["$defs"]["Event"]["properties"]
    assert "nanoseconds since 1970" in fields["t"]["description"]
    assert "share" in fields["event"]["description"]
    assert "Attributes" not in SCHEMAS["record"]["$defs"]["Event"]["description"]


def test_every_topic_of_the_wire_has_a_channel() -> None:
    built = [
        topics.node_topic(
            *PLACEHOLDERS, leaf, {"command": "{verb}", "snapshot": "{record}"}.get(leaf)
        )
        for leaf in NodeLeaf
    ]
    built.append(topics.case_filter("{centre}", "{scope}", "{severity}"))
    built.append(topics.answer_topic("{centre}", "{scope}", "{case}"))
    built.append(topics.ingest_topic("{centre}", "{worker}"))
    assert sorted(built) == sorted(channel.address for channel in CHANNELS)


def test_directions_are_those_of_the_access_lines() -> None:
    node = {line.filter: line.verb for line in acl.node_acl(*PLACEHOLDERS)}
    for channel in CHANNELS:
        if "/node/" in channel.address:
            asked = channel.address.replace("{verb}", "+").replace("{record}", "+")
            assert (node[asked] is Verb.PUBLISH) is channel.up, channel.name
    worker = {line for line in acl.worker_acl("{centre}") if line.verb is Verb.PUBLISH}
    told = {line.filter for line in worker}
    assert topics.case_filter("{centre}") in told


def test_the_asyncapi_document_has_the_form_of_one() -> None:
    told = document()
    assert told["asyncapi"] == "3.0.0"
    assert set(told["info"]) >= {"title", "version", "license"}
    assert set(told["channels"]) == set(told["operations"]) == {c.name for c in CHANNELS}
    for name, channel in told["channels"].items():
        words = {w[1:-1] for w in channel["address"].split("/") if w.startswith("{")}
        assert set(channel["parameters"]) == words
        assert len(channel["messages"]) == 1
        operation = told["operations"][name]
        assert operation["action"] in ("send", "receive")
        assert operation["channel"] == {"$ref": f"#/channels/{name}"}
        bindings = operation["bindings"]["mqtt"]
        assert bindings["qos"] in (0, 1)
        assert bindings["retain"] in (True, False)
    for message in told["components"]["messages"].values():
        assert set(message) >= {"name", "contentType", "payload"}


def test_references_of_the_asyncapi_document_lead_somewhere() -> None:
    told = document()
    for reference in references(told):
        if reference.startswith("#/"):
            assert follow(told, reference)
        else:
            assert (DOCS / reference).is_file()


def test_what_the_broker_keeps_is_what_late_comers_need() -> None:
    kept = {channel.name for channel in CHANNELS if channel.retain}
    assert kept == {"stored", "birth", "state", "desired", "reported", "ingest"}
    assert [channel.name for channel in CHANNELS if channel.qos == 0] == ["heartbeat"]


def test_writing_says_what_changed_and_removes_what_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(write(tmp_path)) == len(files())
    assert write(tmp_path) == []
    gone = tmp_path / "schemas" / "gone.json"
    gone.write_text("{}")
    edited = tmp_path / "asyncapi.yaml"
    edited.write_text("by hand")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(gone), str(edited)]
    assert not gone.exists()
    assert NAME_PATTERN in msgspec.yaml.decode(edited.read_bytes())["info"]["description"]
