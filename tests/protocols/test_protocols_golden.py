"""Messages as each version wrote them: whatever was on the wire once can be read for ever."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from haidang_protocols.wire.messages import Message
from haidang_protocols.wire.messages import decode as decode_message
from haidang_protocols.wire.records import (
    Record,
    decode_batch,
    decode_record,
    encode_batch,
    encode_record,
)
from haidang_protocols.wire.schema import PAYLOADS
from haidang_protocols.wire.watermark import decode_watermark, encode_watermark

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(folder.name for folder in GOLDEN.iterdir())
FILES = sorted(GOLDEN.glob("*/*.json"))
RECORD_KINDS = {kind.__struct_config__.tag for kind in get_args(Record)}


def again(kind: Any) -> Callable[[bytes], bytes]:
    """Read and write again, as every program does it."""
    if issubclass(kind, Message):
        return lambda payload: msgspec.json.encode(decode_message(payload, kind))
    return lambda payload: msgspec.json.encode(msgspec.json.decode(payload, type=kind))


def batch_again(payload: bytes) -> bytes:
    read = decode_batch(payload)
    records = [
        (seq, encode_record(decode_record(raw)))
        for seq, raw in zip(read.seqs, read.records, strict=True)
    ]
    return encode_batch(
        spool=read.spool,
        centre=read.centre,
        site=read.site,
        node=read.node,
        records=records,
        sent=read.sent,
    )


AGAIN: Mapping[str, Callable[[bytes], bytes]] = {
    **{name: again(kind) for name, kind in PAYLOADS.items() if name not in ("record", "batch")},
    **dict.fromkeys(RECORD_KINDS, lambda payload: encode_record(decode_record(payload))),
    "batch": batch_again,
    "watermark": lambda payload: encode_watermark(decode_watermark(payload)),
}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_what_a_version_wrote_is_read_and_written_again_alike(file: Path) -> None:
    written = msgspec.json.format(file.read_bytes(), indent=-1).strip()
    assert AGAIN[file.name.partition(".")[0]](written) == written


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_of_a_version_is_there(version: str) -> None:
    there = {file.name.partition(".")[0] for file in (GOLDEN / version).iterdir()}
    assert there == set(AGAIN)


def test_the_full_example_of_a_message_leaves_no_field_out() -> None:
    """What an example does not show, it does not hold still."""
    short = {}
    for name, kind in {
        **PAYLOADS,
        **{k.__struct_config__.tag: k for k in get_args(Record)},
    }.items():
        if name != "record":
            said = msgspec.json.decode((GOLDEN / VERSIONS[-1] / f"{name}.json").read_bytes())
            short[name] = set(kind.__struct_encode_fields__) - set(said)
    assert {name: left for name, left in short.items() if left} == {}
