"""Why a camera or a node is as it says, as a word with values: a console tells it in any language.

The English sentence travels beside it, for whoever does not know the word.
"""

from collections.abc import Mapping

from msgspec import Struct

REASONS: Mapping[str, str] = {
    # a camera that cannot be opened
    "camera.login": "the user or the password is refused",
    "camera.forbidden": "this user may not see it",
    "camera.no_stream": "the camera has no stream of that path",
    "camera.nobody": "nobody listens at that address",
    "camera.no_host": "there is no host of that name, or it broke off",
    "camera.late": "no answer within {seconds:g} s",
    "camera.no_file": "there is no such file",
    "camera.locked": "may not be read",
    "camera.folder": "is a folder",
    "camera.no_video": "is no video that can be read",
    "camera.empty": "holds no video",
    "camera.codec": "its video is of a kind that cannot be decoded",
    "camera.closed": "{why}",
    "camera.address": "{why}",
    # one that was open
    "camera.silent": "no data for {seconds:g} s",
    "camera.garbled": "data come, but no picture can be made of them for {seconds:g} s",
    "camera.still": "the picture has not changed for {seconds:.0f} s",
    "camera.over": "the camera ended the stream",
    "camera.broken": "reading failed: {why}",
    "camera.end": "the file is at its end",
    # a process of the node
    "child.mute": "no word for {seconds:.0f} s",
    "child.stuck": "no progress in its capture for {seconds:.0f} s",
    "child.idle": "nobody looks for {seconds:.0f} s",
    "child.code": "its process ended with code {code}",
    "child.signal": "its process was ended by signal {signal} ({name})",
    # the model that looks
    "model.none": "no model yet",
    "model.gone": "the model is gone",
    "model.mute": "the model does not answer: {why}",
    "model.refused": "{why}",
    "model.absent": "model {model} is not on this node; there are: {known}",
    "model.other": (
        "model {model}: the catalogue asks for SHA-256 {wanted}…, here is {found}…: another one"
    ),
    "model.classes": (
        "camera {camera}, rule {rule}: "
        "model {model} does not know {missing}; its classes are: {known}"
    ),
    "model.faint": (
        "camera {camera}, rule {rule}: min_score is {asked:g}; "
        "model {model} tells none below {least:g}"
    ),
    # the catalogue, and the broker
    "catalogue.mistakes": "the catalogue has {n} mistakes; {where}: {what}",
    "catalogue.centre": "catalogue {path} is of centre {theirs!r}, this node is of {ours!r}",
    "catalogue.no_node": "catalogue {path} has no node {node!r}; it has: {known}",
    "catalogue.site": (
        "catalogue {path} puts node {node!r} at site {theirs!r}, its configuration says {ours!r}"
    ),
    "catalogue.source": "camera {camera}: {why}",
    "catalogue.refused": "{why}",
    "catalogue.awaited": "the centre has not sent this node's part of the catalogue yet",
    "catalogue.unread": "what the centre sent cannot be read: {why}",
    "catalogue.unsigned": "a part of the catalogue came that the centre did not sign: {why}",
    "catalogue.unwanted": "the centre has nothing for this node here any more; what ran goes on",
    "catalogue.older": (
        "version {theirs} of the catalogue came, older than version {ours}, which the centre sent "
        "before; a centre that was restored must publish until its number is higher"
    ),
    "broker.unreached": "{broker} cannot be reached: {why}",
    "broker.refused": "the broker refused: {why}",
    "broker.lost": "{why}",
}
"""Every reason by its code: the sentence in English, and what values it is about."""


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why: a code of `REASONS`, or one that a newer node knows, and its values."""

    code: str
    values: dict[str, str | float] = {}

    def __str__(self) -> str:
        """The English sentence; the bare code where it is not known."""
        return REASONS.get(self.code, self.code).format_map(self.values)


def because(code: str, /, **values: str | float) -> Reason:
    """One of `REASONS`."""
    return Reason(code=code, values=values)


def sentence(reason: Reason | None) -> str:
    """The English sentence, empty where there is no reason."""
    return "" if reason is None else str(reason)
