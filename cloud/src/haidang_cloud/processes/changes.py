"""What a new version changes, counted; and what nobody may mean: a part taken for the whole."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import inspect

from haidang_protocols.catalogue import Catalogue
from haidang_protocols.errors import UserError

NAMED_MAX = 5
VERSION = "VERSION"
"""`haidang catalog export` leaves it beside the files that it writes."""


def counted(before: Catalogue | None, after: Catalogue) -> str:
    """How many of each there are, and were: `people 7 → 6, nodes 2, cameras 4 → 5, …`."""
    was = None if before is None else _counts(before)
    return ", ".join(
        f"{noun} {n}" if was is None or was[noun] == n else f"{noun} {was[noun]} → {n}"
        for noun, n in _counts(after).items()
    )


def _counts(catalogue: Catalogue) -> Mapping[str, int]:
    return {
        "people": len(catalogue.people),
        "nodes": len(catalogue.nodes),
        "cameras": len(catalogue.cameras),
        "zones": sum(len(camera.zones) for camera in catalogue.cameras),
        "lines": sum(len(camera.lines) for camera in catalogue.cameras),
        "rules": sum(len(camera.rules) for camera in catalogue.cameras),
    }


def emptied(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """A sentence for each node that would lose all the cameras it has; few where they are many."""
    had = Counter(camera.node for camera in before.cameras)
    has = {camera.node for camera in after.cameras}
    losing = [node for node in had if node not in has]
    for node in losing[:NAMED_MAX]:
        yield f"node {node} would lose all its cameras: {had[node]}"
    if more := losing[NAMED_MAX:]:
        yield f"so would {len(more)} more nodes, with cameras: {sum(had[node] for node in more)}"


def check_whole(path: Path) -> None:
    """Raise `UserError` when `path` is a file and others of the same catalogue lie beside it."""
    if not path.is_file():
        return
    folder = path.parent
    # who exported may have sub-folders; without that, what lies below is anybody's
    exported = (folder / VERSION).is_file()
    there = folder.rglob("*.yaml") if exported else folder.glob("*.yaml")
    mine = _said(path)
    parts = [
        str(other.relative_to(folder))
        for other in sorted(there)
        if other != path and _joins(mine, _said(other))
    ]
    if parts:
        few = ", ".join(parts[:NAMED_MAX]) + (", …" if len(parts) > NAMED_MAX else "")
        raise UserError(
            f"{path} is one of {len(parts) + 1} files of a catalogue that lie there "
            f"(beside {few}): give the folder, {folder}; a whole catalogue lies alone"
        )


def _joins(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two files go together: both speak of a catalogue, and the centre stands once."""
    return bool(theirs) and not ("centre" in mine and "centre" in theirs)


def _said(path: Path) -> frozenset[str]:
    """The parts of a catalogue that a file declares: none where it is another kind of file."""
    quick: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=quick)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return frozenset()
    if not isinstance(root, yaml.MappingNode):
        return frozenset()
    lists = _lists()
    kinds: Mapping[bool, type[yaml.Node]] = {True: yaml.SequenceNode, False: yaml.MappingNode}
    # a configuration has a `centre` too, but by its name alone
    return frozenset(
        key.value
        for key, value in root.value
        if key.value in lists and isinstance(value, kinds[lists[key.value]])
    )


def _lists() -> Mapping[str, bool]:
    """The parts of a catalogue: whether each is a list."""
    kind = inspect.type_info(Catalogue)
    if not isinstance(kind, inspect.StructType):
        raise TypeError("Catalogue is a struct")
    return {f.name: isinstance(f.type, inspect.VarTupleType) for f in kind.fields}
