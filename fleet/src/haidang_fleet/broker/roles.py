"""Roles and clients of the broker's dynamic-security plugin: wanted, found, and the difference.

All here is values. Every line allows; what no line allows is refused by the plugin's defaults.
Version 2.0 of the plugin knows no `%u`, so each node has a role of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from haidang_fleet.broker.identities import (
    Identity,
    Kind,
    identities_of,
    place_of,
    rights_of,
)
from haidang_fleet.errors import RefusedError
from haidang_protocols.catalogue.model import Catalogue
from haidang_protocols.wire.acl import Acl, Verb

_ACLTYPE = {
    Verb.PUBLISH: "publishClientSend",
    Verb.SUBSCRIBE: "subscribePattern",
    Verb.RECEIVE: "publishClientReceive",
}
DEFAULT_ACCESS = {
    "publishClientSend": False,
    "publishClientReceive": False,
    "subscribe": False,
    "unsubscribe": True,
}
Command = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role by name with its access lines, as (acltype, topic)."""

    name: str
    lines: frozenset[tuple[str, str]]

    def acls(self) -> list[Command]:
        """The lines as the plugin writes them."""
        return [
            {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
            for kind, topic in sorted(self.lines)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client by its certificate's CN, with its roles."""

    name: str
    roles: frozenset[str]

    def listed(self) -> list[Command]:
        """The roles as the plugin writes them."""
        return [{"rolename": role, "priority": 0} for role in sorted(self.roles)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """All roles and clients that are wanted, or that were found."""

    roles: Mapping[str, Role]
    clients: Mapping[str, Client]


def role_of(identity: Identity, lines: Iterable[Acl]) -> Role:
    """The role of an identity."""
    made = frozenset((_ACLTYPE[line.verb], line.filter) for line in lines)
    return Role(name=identity.role, lines=made)


def client_of(identity: Identity) -> Client:
    """The client of an identity."""
    return Client(name=identity.cn, roles=frozenset({identity.role}))


def wanted(catalogue: Catalogue, certified: Iterable[Identity]) -> Rights:
    """What a centre's catalogue asks for; clients are those that hold a certificate."""
    roles = [role_of(i, rights_of(i, catalogue)) for i in identities_of(catalogue)]
    named = {role.name: role for role in roles}
    here = [i for i in certified if i.centre == catalogue.centre.id and i.role in named]
    return Rights(roles=named, clients={i.cn: client_of(i) for i in here})


def wanted_at(site: str, catalogue: Catalogue, certified: Iterable[Identity]) -> Rights:
    """What a site's own broker needs: the site's nodes, and the staff of the scopes around it.

    Nodes are let in before they have a certificate: nobody tells this broker when they get one.
    """
    around = {s.id for s in catalogue.scopes_over(place_of(site, catalogue))}
    every = identities_of(catalogue)
    nodes = [i for i in every if i.kind is Kind.NODE and i.site == site]
    staff = [i for i in every if i.kind is Kind.STAFF and i.scope in around]
    roles = [role_of(i, rights_of(i, catalogue)) for i in (*nodes, *staff)]
    named = {role.name: role for role in roles}
    people = [i for i in certified if i.kind is Kind.STAFF and i.role in named]
    return Rights(roles=named, clients={i.cn: client_of(i) for i in (*nodes, *people)})


def belongs(role: str, centre: str) -> bool:
    """Whether a role's name is one that we give for a centre."""
    words = role.split(".")
    return len(words) > 1 and words[0] == centre and words[1] in set(Kind) - {Kind.ADMIN}


def changes(found: Rights, want: Rights, *, centre: str) -> list[Command]:
    """The commands that bring `found` to `want`; what is not this centre's is left alone.

    Raises `RefusedError` when a client of that name holds another's role: two centres on one broker
    may not have nodes of one name.
    """
    for name in want.clients.keys() & found.clients.keys():
        foreign = [role for role in found.clients[name].roles if not belongs(role, centre)]
        if foreign:
            raise RefusedError(
                "other_centre",
                f"{name!r} is on the broker with the role {foreign[0]!r}, which is not of centre "
                f"{centre!r}: on one broker no two nodes have one name",
            )
    ours = {n for n, c in found.clients.items() if any(belongs(r, centre) for r in c.roles)}
    stale = sorted(name for name in found.roles if belongs(name, centre) and name not in want.roles)
    return [
        *additions(found, want),
        *(
            {"command": "deleteClient", "username": name}
            for name in sorted(ours - want.clients.keys())
        ),
        *({"command": "deleteRole", "rolename": name} for name in stale),
    ]


def additions(found: Rights, want: Rights) -> list[Command]:
    """The commands that make and correct what is wanted, and take nothing away."""
    return [*_roles(found, want), *_clients(found, want)]


def _roles(found: Rights, want: Rights) -> Iterable[Command]:
    for name, role in sorted(want.roles.items()):
        now = found.roles.get(name)
        if now is None:
            yield {"command": "createRole", "rolename": name, "acls": role.acls()}
        elif now.lines != role.lines:
            yield {"command": "modifyRole", "rolename": name, "acls": role.acls()}


def _clients(found: Rights, want: Rights) -> Iterable[Command]:
    for name, client in sorted(want.clients.items()):
        now = found.clients.get(name)
        if now is None:
            yield {"command": "createClient", "username": name, "roles": client.listed()}
        elif now.roles != client.roles:
            yield {"command": "modifyClient", "username": name, "roles": client.listed()}


def parse_roles(listed: Iterable[Command]) -> dict[str, Role]:
    """Roles as the plugin lists them; a line that refuses, or that we never write, counts too."""
    roles = {}
    for one in listed:
        lines = frozenset(
            (str(a["acltype"]) + ("" if a.get("allow") else "!"), str(a["topic"]))
            for a in one.get("acls", ())
        )
        roles[str(one["rolename"])] = Role(name=str(one["rolename"]), lines=lines)
    return roles


def parse_clients(listed: Iterable[Command]) -> dict[str, Client]:
    """Clients as the plugin lists them."""
    clients = {}
    for one in listed:
        held = frozenset(str(role["rolename"]) for role in one.get("roles", ()))
        clients[str(one["username"])] = Client(name=str(one["username"]), roles=held)
    return clients
