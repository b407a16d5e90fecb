"""From a camera or a file to pictures at a model's size: decoded, thinned out, scaled on demand.

Two clocks are kept apart: `Frame.pts_s` is the stream's own time, `Frame.mono_ns` is the node's. A
stream that stalls, ends or freezes is told as what it is; a password is never told at all.
"""

from haidang_edge.capture.address import Address
from haidang_edge.capture.errors import (
    CaptureError,
    SourceAddressError,
    SourceEndedError,
    SourceRefusedError,
    SourceStalledError,
)
from haidang_edge.capture.frame import Frame
from haidang_edge.capture.gate import Gate, GateSettings
from haidang_edge.capture.reopen import Backoff, reopening
from haidang_edge.capture.settings import CaptureSettings
from haidang_edge.capture.source import Source, open_source

__all__ = [
    "Address",
    "Backoff",
    "CaptureError",
    "CaptureSettings",
    "Frame",
    "Gate",
    "GateSettings",
    "Source",
    "SourceAddressError",
    "SourceEndedError",
    "SourceRefusedError",
    "SourceStalledError",
    "open_source",
    "reopening",
]
