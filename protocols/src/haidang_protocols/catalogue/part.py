"""A node's part of the catalogue: what it needs to watch and to tell, and nothing of anybody else.

No people and no rights go to a node, and of places and scopes only those by which it finds out whom
an alarm is told to: it stands where people pass by. In the part a camera's alarm has the same owner
as in the whole.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from haidang_protocols.catalogue.checks import findings
from haidang_protocols.catalogue.loader import CatalogueRefusedError
from haidang_protocols.catalogue.model import Camera, Catalogue, Id, Node
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
    """Cuts parts out of one catalogue, with what all of them need looked up once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._whole = catalogue
        self._sites = {site.id: site for site in catalogue.sites}
        self._reach: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def of(self, node: Node, cameras: list[Camera]) -> Catalogue:
        """What `node` needs for its cameras."""
        site = self._sites[node.site]
        places: set[str] = set()
        scopes = {rule.scope for camera in cameras for rule in camera.rules}
        for place in {site.place, *(camera.place for camera in cameras)}:
            above, over = self._over(place)
            places |= above
            scopes |= over
        kept = [scope for scope in self._whole.scopes if scope.id in scopes]
        for scope in kept:
            if scope.places and places.isdisjoint(scope.places):
                # a rule's scope may lie elsewhere: one of its places says as much
                places |= self._over(scope.places[0])[0]
        models = {camera.model for camera in cameras}
        return Catalogue(
            centre=self._whole.centre,
            # whoever takes over from a place one day comes with the version of that day
            places=tuple(
                replace(place, successor=None) for place in self._whole.places if place.id in places
            ),
            scopes=tuple(
                replace(scope, places=tuple(place for place in scope.places if place in places))
                for scope in kept
            ),
            sites=(site,),
            nodes=(node,),
            models=tuple(model for model in self._whole.models if model.name in models),
            cameras=tuple(cameras),
        )

    def _over(self, place: str) -> tuple[frozenset[str], frozenset[str]]:
        """The places that hold a place, and the scopes that see it."""
        if place not in self._reach:
            above = frozenset(self._whole.lineage(place))
            over = frozenset(scope.id for scope in self._whole.scopes_over(place))
            self._reach[place] = above, over
        return self._reach[place]
