"""Versions of a catalogue in a database: published, or left by a Haidang that we cannot read."""

import msgspec
import sqlalchemy as sa

from haidang_cloud.state import versions
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import catalogue_version
from haidang_protocols.catalogue import load_texts


def publish(state: State, text: str, *, by: str = "an", why: str = "test", now_ns: int = 1) -> int:
    """Publish a catalogue of one file; returns its number."""
    texts = {"a.yaml": text}
    with state.write() as connection:
        number, _ = versions.put(
            state, connection, load_texts(texts), texts, by=by, why=why, now_ns=now_ns
        )
    return number


def leave(state: State, centre: str, text: str, *, checked: str = "") -> int:
    """Put what some other Haidang took for a catalogue; returns its number."""
    number = versions.newest_number(state, centre) + 1
    with state.write() as connection:
        connection.execute(
            sa.insert(catalogue_version).values(
                centre=centre,
                number=number,
                texts=msgspec.json.encode({"a.yaml": text}).decode(),
                sha256=versions.digest({"a.yaml": text}),
                by="an",
                why="test",
                at_ns=1,
                checked=checked,
            )
        )
    return number
