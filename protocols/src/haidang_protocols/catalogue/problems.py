"""A mistake in a catalogue, told so that a person finds and mends it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

MISTAKES: Mapping[str, str] = {
    # between entries
    "reference": "there is no {noun} of that id; known: {known}",
    "time_zone": "is no time zone; give one such as Asia/Ho_Chi_Minh",
    "reserved": "is reserved: {known}",
    "twice": "stands twice; ids are unique",
    "ring": "makes a ring: a place cannot hold itself",
    "before": "is before valid_from {day}",
    "no_last_day": "needs valid_to, its last day",
    "own_heir": "is the place itself",
    "heir_away": "does not stand on {day}, when it takes over",
    "no_centre": "needs one scope of kind centre",
    "two_centres": "stands twice; a centre has one such scope",
    "no_places": "is empty: only the centre's scope sees all",
    "crosses": "crosses itself; give its corners in order around it",
    "flat": "has no area",
    "point": "are one point; a line needs two",
    "node_full": (
        "has {size} bytes of cameras, with their zones and rules; {most} fit into the one message "
        "that brings them: give some of them to another node"
    ),
    # in one entry
    "mapping": "must be a mapping with {allowed}",
    "list": "must be a list",
    "missing": "is missing",
    "kind_missing": "{key} is missing; it must be one of {allowed}",
    "one_of": "must be one of {allowed}",
    "must_be": "must be {allowed}",
    "key": "unknown key; allowed: {allowed}",
    "key_near": "unknown key (did you mean {near}?); allowed: {allowed}",
    "key_twice": "stands twice; keep one",
    "entries": "has {size} entries; must have {least}",
    "entries_least": "has {size} entries; must have at least {least}",
    "entries_most": "has {size} entries; must have at least {least} and at most {most}",
    # in a file
    "file_size": "is larger than {most} bytes",
    "file_encoding": "is not UTF-8: {why}",
    "file_unread": "cannot be read: {why}",
    "no_file": "holds no *.yaml file",
    "no_yaml": "no YAML: {why}",
    "file_mapping": "must be a mapping of {allowed}",
    "two_places": "stands in two places; a catalogue has one",
}
"""Every mistake by its code: the sentence in English, and what values it is about."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, for whoever tells it in words of their own; as text it is in English."""

    code: str
    values: Mapping[str, str | float]

    def __str__(self) -> str:
        """The English sentence."""
        return MISTAKES[self.code].format_map(self.values)


def mistake(code: str, /, **values: str | float) -> Mistake:
    """One of `MISTAKES`."""
    return Mistake(code, values)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One mistake: where it stands, what is there, what is allowed.

    Attributes:
        line: 1-based line in `file`.
        field: path such as `cameras[2].zones[0].polygon`.
        message: what is wrong, in English; `mistake` the same in other words, where it has a code.
    """

    file: str
    line: int
    field: str
    value: str
    message: str
    mistake: Mistake | None = dataclasses.field(default=None, compare=False)

    @property
    def where(self) -> str:
        """File, line, field and what stands there."""
        value = f" = {self.value}" if self.value else ""
        return f"{self.file}:{self.line}: {self.field}{value}"

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.where}: {self.message}"


def problem(*, file: str, line: int, field: str, value: str = "", what: Mistake) -> Problem:
    """A problem that has a code."""
    return Problem(file=file, line=line, field=field, value=value, message=str(what), mistake=what)
