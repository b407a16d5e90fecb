"""Who asks, and what is in force while they do."""

from dataclasses import dataclass

from haidang_cloud.people import Person, Rights
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.model import Right


class Ruling:
    """The catalogue in force, and the rights that it gives."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.rights = Rights(catalogue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Somebody who has proved who they are."""

    person: Person
    ruling: Ruling

    def demand(self, right: Right, scope: str | None = None) -> None:
        """Raise `RefusedError` unless they hold `right` in `scope` (None: the whole centre)."""
        self.ruling.rights.demand(self.person.grants, right, scope)

    def sees(self, right: Right) -> frozenset[str]:
        """The scopes that `right` reaches."""
        return self.ruling.rights.sees(self.person.grants, right)

    def everywhere(self, right: Right) -> bool:
        """Whether they hold `right` in the whole centre."""
        return self.ruling.rights.everywhere(self.person.grants, right)
