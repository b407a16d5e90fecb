"""Reads a compose file as Docker would, and gives its processes to be run without containers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z0-9_]+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\}")


class VariableMissingError(Exception):
    """A variable that must be given is not; the message is the file's own."""


def interpolate(text: str, given: Mapping[str, str]) -> str:
    """Variables as Compose puts them in: `${X:?…}` must be given, `${X:-…}` has a default."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        value = given.get(found["name"], "")
        if value:
            return value
        if found["kind"] == "-":
            return str(found["rest"])
        raise VariableMissingError(f"{found['name']}: {found['rest']}")

    return _VARIABLE.sub(one, text)


def variables(text: str) -> dict[str, set[str]]:
    """Variable → how it stands in the file: "?" must be given, "-" has a default, "" neither."""
    found: dict[str, set[str]] = {}
    for match in _VARIABLE.finditer(text):
        if match[0] != "$$":
            found.setdefault(match["name"], set()).add(match["kind"] or "")
    return found


class Composed:
    """A compose file with its variables put in."""

    def __init__(self, path: Path, given: Mapping[str, str]) -> None:
        self.folder = path.parent
        self.document: dict[str, Any] = _filled(yaml.safe_load(path.read_text()), given)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.document["services"]
        return found

    def words(self, service: str, *, image_entrypoint: tuple[str, ...]) -> list[str]:
        """What is run: the service's entry point, else its image's, and its command."""
        told = self.services[service]
        return [*told.get("entrypoint", image_entrypoint), *told.get("command", ())]

    def config(self, name: str) -> str:
        """The text of a configuration file."""
        told = self.document["configs"][name]
        if "content" in told:
            return str(told["content"])
        path: Path = self.folder / told["file"]
        return path.read_text()


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, given)
    if isinstance(value, list):
        return [_filled(one, given) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, given) for key, one in value.items()}
    return value
