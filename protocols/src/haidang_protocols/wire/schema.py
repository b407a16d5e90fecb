"""The wire in words that other programs read: JSON Schemas and an AsyncAPI document.

`python -m haidang_protocols.wire.schema docs` writes `docs/schemas/*.json` and `docs/asyncapi.yaml`
from the types; nobody edits those by hand.
"""

import argparse
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from haidang_protocols.wire.asyncapi import document
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.enrolment import Enrolled, EnrolRequest, Refusal, RenewRequest
from haidang_protocols.wire.messages import (
    Birth,
    CaseAnswer,
    CaseMessage,
    Heartbeat,
    IngestState,
    NodeCommand,
    NodeState,
    Reply,
)
from haidang_protocols.wire.records import BATCH_VERSION, Batch, Record
from haidang_protocols.wire.snapshot import SnapshotHeader
from haidang_protocols.wire.watermark import Watermark

PAYLOADS: Mapping[str, Any] = {
    "record": Record,
    "batch": Batch,
    "watermark": Watermark,
    "birth": Birth,
    "state": NodeState,
    "heartbeat": Heartbeat,
    "desired": Desired,
    "command": NodeCommand,
    "reply": Reply,
    "snapshot-header": SnapshotHeader,
    "case": CaseMessage,
    "answer": CaseAnswer,
    "ingest-state": IngestState,
    "enrol-request": EnrolRequest,
    "renew-request": RenewRequest,
    "enrolled": Enrolled,
    "refusal": Refusal,
}
"""Everything that travels by itself: the name of its schema → its type."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"
_ATTRIBUTE = re.compile(r"^(\w+): (.+)$")


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) by name, for every payload of the wire."""
    return {name: _schema(kind) for name, kind in PAYLOADS.items()}


def files() -> dict[str, str]:
    """Every generated file's text, by its path below the folder of documents."""
    texts = {
        f"schemas/{name}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }
    texts["asyncapi.yaml"] = msgspec.yaml.encode(document()).decode()
    return texts


def write(folder: Path) -> list[Path]:
    """Write every file below `folder`, remove schemas of what is gone; returns what changed."""
    texts = {folder / name: text for name, text in files().items()}
    changed = [path for path in (folder / "schemas").glob("*.json") if path not in texts]
    for path in changed:
        path.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401  # a type form is any object
    (top,), parts = msgspec.json.schema_components([kind], ref_template=_REF)
    ours = __package__
    # others may have a struct of the same name
    classes = {
        part.__name__: part for part in _structs(msgspec.Struct) if part.__module__.startswith(ours)
    }
    for name, part in parts.items():
        if name in classes:
            _describe(part, classes[name])
    if kind is Batch:
        # they stay raw in the envelope, so that a bad one spoils no other
        parts["Batch"]["properties"]["records"]["items"] = {"$ref": "record.json"}
    return {"$schema": DIALECT, **top, "$defs": parts}


def _structs(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for part in kind.__subclasses__():
        yield part
        yield from _structs(part)


def _describe(schema: dict[str, Any], kind: type) -> None:
    """The docstring's sentences go to the type, its attributes' to the properties."""
    schema["description"] = _doc(kind).partition("\n\nAttributes:")[0]
    for name, words in _attributes(kind).items():
        schema["properties"].setdefault(name, {})["description"] = words
    if "v" in schema["properties"]:
        schema["properties"]["v"] = {"const": _version(kind), "description": "the version"}
        schema["required"] = ["v", *(name for name in schema["required"] if name != "v")]


def _version(kind: type) -> int:
    (field,) = [field for field in msgspec.structs.fields(kind) if field.name == "v"]
    made = field.default_factory
    return BATCH_VERSION if made is msgspec.NODEFAULT else int(made())


def _attributes(kind: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        lines = _doc(part).partition("Attributes:\n")[2].splitlines()
        name = ""
        for line in map(str.strip, lines):
            begun = _ATTRIBUTE.match(line)
            if begun:
                name, found[begun[1]] = begun[1], begun[2]
            elif line and name:
                found[name] += " " + line
    return found


def _doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def main(argv: list[str] | None = None) -> int:
    """Write the documents into the folder that is named."""
    parser = argparse.ArgumentParser(description=write.__doc__)
    parser.add_argument("folder", type=Path, help="the folder of documents: docs")
    for path in write(parser.parse_args(argv).folder):
        print(path)  # noqa: T201  # what changed is this program's answer
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
