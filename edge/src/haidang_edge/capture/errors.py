"""What goes wrong with a camera; each error says which state the camera is in."""

from typing import ClassVar

from haidang_edge.errors import NodeConfigError
from haidang_protocols.errors import HaidangError
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import Reason


class SourceAddressError(NodeConfigError):
    """A source that no retry can mend: a scheme that is not known, a variable that is not set."""


class CaptureError(HaidangError):
    """A camera gives no pictures; trying again later may help.

    Attributes:
        shown: the source without its password.
        why: the reason alone, for a heartbeat.
    """

    state: ClassVar[CameraState] = CameraState.DOWN

    def __init__(self, shown: str, why: Reason) -> None:
        """Say which source, and why."""
        self.shown, self.why = shown, why
        super().__init__(f"{shown}: {why}")


class SourceRefusedError(CaptureError):
    """It could not be opened: nobody there, wrong password, no such file, no video in it."""


class SourceStalledError(CaptureError):
    """It is open, but no picture came for too long."""

    state = CameraState.STALLED


class SourceEndedError(CaptureError):
    """A live source ended, which a camera never does by itself."""

    state = CameraState.ENDED
