"""A node's part of the catalogue: what it needs to watch and to tell, and nothing of anybody else.

No people and no rights go to a node, and of places and scopes only those by which it finds out whom
an alarm is told to: it stands where people pass by. In the part a camera's alarm has the same owner
as in the whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from haidang_protocols.catalogue.checks import findings
from haidang_protocols.catalogue.loader import CatalogueRefusedError
from haidang_protocols.catalogue.model import Camera, Catalogue, Id, Node, Scope
from haidang_protocols.catalogue.problems import problem
from haidang_protocols.wire.errors import MessageRefusedError

ORIGIN = "desired"
"""What stands in the place of a file's name where a part has mistakes."""


class NodePart(Struct, frozen=True, kw_only=True):
    """What a node is wanted to run.

    Attributes:
        node: for whom; the centre is the catalogue's.
        version: number of the catalogue in force that it is a part of.
    """

    node: Id
    version: Annotated[int, Meta(ge=1)]
    catalogue: Catalogue


def parts(catalogue: Catalogue, version: int) -> Iterator[NodePart]:
    """The part of each node, in the order of the catalogue."""
    cameras: dict[str, list[Camera]] = {node.id: [] for node in catalogue.nodes}
    for camera in catalogue.cameras:
        cameras[camera.node].append(camera)
    cut = _Cut(catalogue)
    for node in catalogue.nodes:
        yield NodePart(node=node.id, version=version, catalogue=cut.of(node, cameras[node.id]))


def encode_part(part: NodePart) -> str:
    """A part as the text that is signed."""
    return msgspec.json.encode(part).decode()


def decode_part(text: str) -> NodePart:
    """Read a part; what a newer centre says besides is left out.

    Raises `MessageRefusedError` (malformed) for what is none, `CatalogueRefusedError` for one whose
    entries do not fit together.
    """
    try:
        part = msgspec.json.decode(text, type=NodePart)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise MessageRefusedError("malformed", f"NodePart: {error}") from error
    found = [
        problem(file=ORIGIN, line=1, field=field, value=value, what=what)
        for field, value, what in findings(part.catalogue)
    ]
    if found:
        raise CatalogueRefusedError(found)
    return part


class _Cut:
    """Cuts parts out of one catalogue: a part costs what is in it, however large the whole is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._whole = catalogue
        self._sites = {site.id: site for site in catalogue.sites}
        self._places = _numbered(place.id for place in catalogue.places)
        self._scopes = _numbered(scope.id for scope in catalogue.scopes)
        self._models = _numbered(model.name for model in catalogue.models)
        # of each scope, where it names which place
        self._named = {scope.id: _numbered(scope.places) for scope in catalogue.scopes}

    def of(self, node: Node, cameras: list[Camera]) -> Catalogue:
        """What `node` needs for its cameras."""
        whole, site = self._whole, self._sites[node.site]
        places: set[str] = set()
        seeing = {rule.scope for camera in cameras for rule in camera.rules if rule.scope}
        for place in {site.place, *(camera.place for camera in cameras)}:
            places.update(whole.lineage(place))
            seeing.update(scope.id for scope in whole.scopes_over(place))
        scopes = [whole.scopes[number] for number in _numbers(seeing, self._scopes)]
        for scope in scopes:
            if scope.places and self._named[scope.id].keys().isdisjoint(places):
                # a rule's scope may lie elsewhere: one of its places says as much
                places.update(whole.lineage(scope.places[0]))
        models = {camera.model for camera in cameras}
        return Catalogue(
            centre=whole.centre,
            # whoever takes over from a place one day comes with the version of that day
            places=tuple(
                replace(whole.places[number], successor=None)
                for number in _numbers(places, self._places)
            ),
            scopes=tuple(self._cut(scope, places) for scope in scopes),
            sites=(site,),
            nodes=(node,),
            models=tuple(whole.models[number] for number in _numbers(models, self._models)),
            cameras=tuple(cameras),
        )

    def _cut(self, scope: Scope, places: set[str]) -> Scope:
        """A scope with those of its places that are in the part."""
        kept = _numbers(places, self._named[scope.id])
        return replace(scope, places=tuple(scope.places[number] for number in kept))


def _numbered(ids: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(ids)}


def _numbers(ids: Iterable[str], known: Mapping[str, int]) -> list[int]:
    """Where in the catalogue's order those ids stand that it knows."""
    return sorted(known[name] for name in ids if name in known)
