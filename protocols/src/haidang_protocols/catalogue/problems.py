"""A mistake in a catalogue, told so that a person finds and mends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One mistake: where it stands, what is there, what is allowed.

    Attributes:
        line: 1-based line in `file`.
        field: path such as `cameras[2].zones[0].polygon`.
    """

    file: str
    line: int
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        """One line for a terminal."""
        value = f" = {self.value}" if self.value else ""
        return f"{self.file}:{self.line}: {self.field}{value}: {self.message}"
