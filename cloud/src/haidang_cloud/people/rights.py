"""The one place where a right is checked: a role's rights, in the scopes that it is held in."""

from collections.abc import Iterable

from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.model import Grant, Right, ScopeKind


class Rights:
    """What grants allow, by a catalogue in force."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read roles and scopes once."""
        self._catalogue = catalogue
        self._roles = {role.id: frozenset(role.rights) for role in catalogue.roles}
        self._scopes = {scope.id: scope for scope in catalogue.scopes}

    def held(self, grants: Iterable[Grant], right: Right) -> frozenset[str]:
        """The scopes in which `right` is held by a grant; unknown roles and scopes give nothing."""
        return frozenset(
            grant.scope
            for grant in grants
            if right in self._roles.get(grant.role, ()) and grant.scope in self._scopes
        )

    def everywhere(self, grants: Iterable[Grant], right: Right) -> bool:
        """Whether `right` is held in the centre's own scope."""
        held = self.held(grants, right)
        return any(self._scopes[scope].kind is ScopeKind.CENTRE for scope in held)

    def sees(self, grants: Iterable[Grant], right: Right) -> frozenset[str]:
        """Every scope that `right` reaches: those it is held in, and those that lie in them."""
        held = self.held(grants, right)
        return frozenset(s for s in self._scopes if any(self._within(s, h) for h in held))

    def allows(self, grants: Iterable[Grant], right: Right, scope: str) -> bool:
        """Whether `right` reaches `scope`."""
        return scope in self.sees(grants, right)

    def covers(self, grants: Iterable[Grant], others: Iterable[Grant]) -> bool:
        """Whether `grants` allow everything that `others` do."""
        mine, theirs = tuple(grants), tuple(others)
        return all(self.sees(theirs, right) <= self.sees(mine, right) for right in Right)

    def demand(self, grants: Iterable[Grant], right: Right, scope: str | None = None) -> None:
        """Raise `RefusedError` unless `right` reaches `scope` (None: the whole centre)."""
        given = tuple(grants)
        allowed = (
            self.everywhere(given, right) if scope is None else self.allows(given, right, scope)
        )
        if not allowed:
            raise _missing(right, scope)

    def _within(self, scope: str, holder: str) -> bool:
        """Whether `scope` lies in `holder`: the same, or a locality all of whose places do."""
        if scope == holder or self._scopes[holder].kind is ScopeKind.CENTRE:
            return True
        inner, outer = self._scopes[scope], self._scopes[holder]
        if inner.kind is not ScopeKind.LOCALITY or outer.kind is not ScopeKind.LOCALITY:
            return False
        reach = set(outer.places)
        return all(reach & set(self._catalogue.lineage(place)) for place in inner.places)


def _missing(right: Right, scope: str | None) -> RefusedError:
    needs = f"this needs the right {right.value}"
    if scope is None:
        return RefusedError("forbidden.centre", f"{needs} in the whole centre", right=right.value)
    return RefusedError(
        "forbidden.right", f"{needs} in scope {scope!r}", right=right.value, scope=scope
    )
