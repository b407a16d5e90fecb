"""Who speaks on the broker: an identity is the CN of a certificate, and has one role.

A node's CN is its id alone, as the wire wants it. All others have dots, which no node's id may
have, and begin with their centre: on a broker that serves two centres nobody is two people.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from haidang_fleet.errors import RefusedError
from haidang_protocols.catalogue.model import Catalogue, ScopeKind
from haidang_protocols.wire import acl
from haidang_protocols.wire.acl import Acl, Verb
from haidang_protocols.wire.names import check_name

CN_MAX = 64
"""X.509 allows no longer name."""

ADMIN_ROLE = "fleet.admin"
ADMIN_FILTER = "$CONTROL/dynamic-security/#"


class Kind(StrEnum):
    """What an identity is."""

    NODE = "node"
    INGEST = "ingest"
    WORKER = "worker"
    CONSOLE = "console"
    STAFF = "staff"
    SITE = "site"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One that may speak on the broker.

    Attributes:
        name: the node's id, the process's or person's name, or the site whose broker it is.
        site: a node's site.
        scope: a staff client's scope.
    """

    kind: Kind
    name: str
    centre: str = ""
    site: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        """Refuse names that may not travel."""
        check_name(self.name, what=str(self.kind))
        if self.kind is not Kind.ADMIN:
            check_name(self.centre, what="centre")
        if self.kind is Kind.NODE:
            check_name(self.site, what="site")
        if self.kind is Kind.STAFF:
            check_name(self.scope, what="scope")
        if len(self.cn) > CN_MAX:
            raise RefusedError(
                "bad_request",
                f"the name {self.cn!r} has {len(self.cn)} letters; a certificate's name has at "
                f"most {CN_MAX}: choose a shorter one",
            )

    @property
    def cn(self) -> str:
        """Its name in its certificate and on the broker."""
        if self.kind is Kind.NODE:
            return self.name
        if self.kind is Kind.SITE:
            return self.role
        return f"{self.role}.{self.name}"

    @property
    def role(self) -> str:
        """The name of its role on the broker."""
        if self.kind is Kind.ADMIN:
            return ADMIN_ROLE
        if self.kind in (Kind.NODE, Kind.SITE):
            return f"{self.centre}.{self.kind}.{self.name}"
        if self.kind is Kind.STAFF:
            return f"{self.centre}.{self.kind}.{self.scope}"
        return f"{self.centre}.{self.kind}"

    @classmethod
    def node(cls, centre: str, site: str, node: str) -> Self:
        """A node."""
        return cls(kind=Kind.NODE, centre=centre, site=site, name=node)


def rights_of(identity: Identity, catalogue: Catalogue | None = None) -> tuple[Acl, ...]:
    """What an identity may do; staff and sites need the catalogue, which says what lies where."""
    match identity.kind:
        case Kind.NODE:
            return acl.node_acl(identity.centre, identity.site, identity.name)
        case Kind.INGEST:
            return acl.ingest_acl(identity.centre)
        case Kind.WORKER:
            return acl.worker_acl(identity.centre)
        case Kind.CONSOLE:
            return acl.console_acl(identity.centre)
        case Kind.ADMIN:
            verbs = (Verb.PUBLISH, Verb.SUBSCRIBE, Verb.RECEIVE)
            return tuple(Acl(verb, ADMIN_FILTER) for verb in verbs)
    if catalogue is None:
        raise RefusedError(
            "bad_request", f"the rights of {identity.cn} depend on the catalogue: give --catalogue"
        )
    if identity.kind is Kind.STAFF:
        return _staff(identity, catalogue)
    return _site(identity, catalogue)


def _staff(identity: Identity, catalogue: Catalogue) -> tuple[Acl, ...]:
    scope = next((s for s in catalogue.scopes if s.id == identity.scope), None)
    if scope is None:
        known = ", ".join(s.id for s in catalogue.scopes)
        raise RefusedError("bad_request", f"scope {identity.scope!r} is not known; known: {known}")
    if scope.kind is ScopeKind.CENTRE:
        return acl.staff_acl(identity.centre, "+", sites=("+",))
    sites = tuple(s.id for s in catalogue.sites if scope in catalogue.scopes_over(s.place))
    return acl.staff_acl(identity.centre, scope.id, sites=sites)


def _site(identity: Identity, catalogue: Catalogue) -> tuple[Acl, ...]:
    """Cases of the localities and departments around it: the whole centre's are not its own."""
    around = catalogue.scopes_over(place_of(identity.name, catalogue))
    scopes = tuple(s.id for s in around if s.kind is not ScopeKind.CENTRE)
    return acl.bridge_acl(identity.centre, identity.name, scopes)


def place_of(site: str, catalogue: Catalogue) -> str:
    """The place where a site is; refused when there is no such site."""
    found = next((s for s in catalogue.sites if s.id == site), None)
    if found is None:
        known = ", ".join(s.id for s in catalogue.sites) or "none"
        raise RefusedError("bad_request", f"site {site!r} is not known; known: {known}")
    return found.place


def identities_of(catalogue: Catalogue) -> tuple[Identity, ...]:
    """One identity for every role that a catalogue implies; names of services stand for all."""
    centre = catalogue.centre.id
    nodes = (Identity.node(centre, n.site, n.id) for n in catalogue.nodes)
    services = (
        Identity(kind=kind, centre=centre, name="any")
        for kind in (Kind.INGEST, Kind.WORKER, Kind.CONSOLE)
    )
    staff = (
        Identity(kind=Kind.STAFF, centre=centre, scope=s.id, name="any") for s in catalogue.scopes
    )
    sites = (Identity(kind=Kind.SITE, centre=centre, name=s.id) for s in catalogue.sites)
    return (*nodes, *services, *staff, *sites)
