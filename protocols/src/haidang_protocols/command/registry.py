"""Finds the commands of everything that is installed; a name claimed twice is refused."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from haidang_protocols.errors import HaidangError

GROUP = "haidang.commands"


class DuplicateCommandError(HaidangError):
    """Two installed packages claim one command name."""


def discover(found: Iterable[EntryPoint] | None = None) -> Mapping[tuple[str, ...], EntryPoint]:
    """Command words → entry point, sorted by words; nothing is imported yet."""
    commands: dict[tuple[str, ...], EntryPoint] = {}
    for entry in entry_points(group=GROUP) if found is None else found:
        words = tuple(entry.name.split())
        other = commands.get(words)
        if other is not None and other.value != entry.value:
            raise DuplicateCommandError(
                f"command {entry.name!r} is claimed by {other.value} and by {entry.value}; "
                "uninstall one of the two packages"
            )
        commands[words] = entry
    return dict(sorted(commands.items()))
