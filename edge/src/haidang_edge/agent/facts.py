"""What the fork server's children find out for the supervisor, which itself loads no model.

A catalogue is good for this node when its models are here and know the labels that its rules name,
and when every camera's source can be read as an address.
"""

from msgspec import Struct

from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.reasons import Reason


class Question(Struct, frozen=True, kw_only=True):
    """What to check: the cameras of this node, and the hashes that the catalogue asks for."""

    models: str
    cameras: tuple[Camera, ...]
    source_folder: str
    hashes: dict[str, str]


class ModelFacts(Struct, frozen=True, kw_only=True):
    """A model that is here and whole."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    width: int
    height: int
    letterbox: bool


class Facts(Struct, frozen=True, kw_only=True):
    """The answer: the models, and every problem."""

    models: dict[str, ModelFacts]
    problems: tuple[Reason, ...] = ()
