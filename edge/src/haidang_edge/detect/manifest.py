"""What a model is: the manifest that stands beside its file, strict, every mistake told at once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import yaml
from msgspec import Meta, Struct, inspect

from haidang_edge.detect.errors import ModelError
from haidang_protocols.catalogue.model import Id, Share
from haidang_protocols.catalogue.problems import Problem
from haidang_protocols.catalogue.reader import Reader

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="64 hex digits")]
Side = Annotated[int, Meta(ge=16, le=4096)]
Url = Annotated[str, Meta(pattern="^(https://[^ ]+)?$", description="an https:// address")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]

GAP = "???"
"""The label of a class number that nothing bears."""


class ManifestRefusedError(ModelError):
    """A manifest has mistakes; `problems` lists them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort and keep them."""
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        heading = f"the manifest has {count} mistake{'s' if count != 1 else ''}:"
        super().__init__("\n  ".join([heading, *map(str, self.problems)]))


class DecoderKind(StrEnum):
    """How a model's outputs are read."""

    SSD = "ssd"
    YOLOX = "yolox"


class Colour(StrEnum):
    """In which order a model takes the colours of a point."""

    RGB = "rgb"
    BGR = "bgr"


class InputType(StrEnum):
    """What a model takes for a point: as it comes, less 128, or a real number."""

    UINT8 = "uint8"
    INT8 = "int8"
    FLOAT32 = "float32"


class ModelInput(Struct, frozen=True, kw_only=True):
    """What a model wants to be given.

    Attributes:
        dtype: `uint8` and `int8` models carry their quantisation in the file.
        scale: a `float32` model is given `value * scale + offset` for a value from 0 to 255.
        offset: see `scale`.
        letterbox: the picture keeps its shape and grey fills the rest; else it is stretched.
    """

    width: Side
    height: Side
    colour: Colour = Colour.RGB
    dtype: InputType = InputType.UINT8
    scale: float = 1.0
    offset: float = 0.0
    letterbox: bool = False


class Manifest(Struct, frozen=True, kw_only=True):
    """A model's papers.

    Attributes:
        file: the model's file, in the same folder.
        classes: its labels in the order of its class numbers; `???` for a number not in use.
        labels: instead of `classes`: a text file inside the model's own file, one label a line.
        label_offset: added to a class number before its label is looked up.
        min_score: boxes below are not told; a rule cannot ask for less.
        nms_iou: of two boxes of a class that overlap more, the lesser is dropped (yolox).
        licence: of the weights; SPDX where there is one.
        source: where the file came from.
        url: where this very file can be fetched; its SHA-256 is what it is known by.
    """

    name: Id
    file: FileName
    sha256: Sha256
    decoder: DecoderKind
    input: ModelInput
    classes: tuple[str, ...] = ()
    labels: str = ""
    label_offset: Annotated[int, Meta(ge=-1, le=1)] = 0
    min_score: Share = 0.3
    nms_iou: Share = 0.65
    licence: str
    source: str
    url: Url = ""


def read_manifest(text: str, *, file: str) -> Manifest:
    """The manifest that the YAML `text` says; `file` is its name in messages.

    Raises:
        ManifestRefusedError: with every mistake in it.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        said = getattr(error, "problem", None) or "cannot be parsed"
        raise ManifestRefusedError([_whole(file, f"no YAML: {said}", line=line)]) from error
    if root is None:
        raise ManifestRefusedError([_whole(file, "is empty")])
    reader = Reader(file)
    manifest = reader.read(root, inspect.type_info(Manifest), "")
    if reader.problems:
        raise ManifestRefusedError(reader.problems)
    found = [
        Problem(file=file, line=reader.lines.get(field, 1), field=field, value="", message=message)
        for field, message in _findings(manifest)
    ]
    if found:
        raise ManifestRefusedError(found)
    checked: Manifest = manifest
    return checked


def _whole(file: str, message: str, *, line: int = 1) -> Problem:
    return Problem(file=file, line=line, field="file", value="", message=message)


def _findings(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Mistakes between fields: which field, and what is wrong with it."""
    if bool(manifest.classes) == bool(manifest.labels):
        yield "classes", "give either classes (a list) or labels (a file in the model's file)"
    for label, count in Counter(manifest.classes).items():
        if count > 1 and label != GAP:
            yield "classes", f"{label!r} stands {count} times; a label is given once"
    given = manifest.input
    if given.dtype is not InputType.FLOAT32 and (given.scale, given.offset) != (1.0, 0.0):
        yield "input.scale", f"scale and offset are for float32 only, not for {given.dtype}"
