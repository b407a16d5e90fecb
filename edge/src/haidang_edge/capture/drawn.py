"""The reel of a street that is drawn: `street:market?light=night&seed=4&traffic=1.5`.

What it shows depends on its address and on the seconds since it began, on nothing else. While the
file `hold` is there its picture stands still, as that of a camera whose decoder hangs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from av import VideoFrame

from haidang_edge.capture.errors import SourceAddressError
from haidang_edge.capture.reel import Ticker
from haidang_edge.capture.settings import CaptureSettings
from haidang_edge.street import VIEWS, Light, Street, StreetSettings

SCHEME = "street:"
DEFAULT_FPS = 10.0
SMALLEST, LARGEST = (64, 36), (1280, 720)
SEED_MAX = 2**31
TRAFFIC_MAX = 10.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetAddress:
    """A drawn street as a catalogue asks for it.

    Attributes:
        begin_s: the street's time at the first picture.
        hold: while this file is there, the picture stands still.
    """

    settings: StreetSettings
    begin_s: float = 0.0
    hold: Path | None = None


def read_street(source: str, *, folder: Path | None = None) -> StreetAddress:
    """Read `street:VIEW?light=&seed=&traffic=&incidents=&size=&at=&hold=`.

    A relative `hold` begins at `folder`.

    Raises:
        SourceAddressError: names the part, its value and what is allowed.
    """
    view, _, query = source.removeprefix(SCHEME).partition("?")
    if view not in VIEWS:
        raise _refused(source, f"there is no view {view!r}; allowed: {', '.join(sorted(VIEWS))}")
    asked: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _PARTS:
            raise _refused(source, f"{name!r} is not known; allowed: {', '.join(_PARTS)}")
        read, allowed = _PARTS[name]
        try:
            asked[name] = read(text)
        except ValueError:
            raise _refused(source, f"{name} is {text!r}; allowed: {allowed}") from None
    width, height = asked.pop("size", (640, 360))
    begin_s, hold = asked.pop("at", 0.0), asked.pop("hold", None)
    return StreetAddress(
        settings=StreetSettings(view=view, width=width, height=height, **asked),
        begin_s=begin_s,
        hold=None if hold is None else (folder or Path()) / hold,
    )


def _refused(source: str, why: str) -> SourceAddressError:
    return SourceAddressError(f"source {source!r}: {why}")


def _between(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < SEED_MAX:
        raise ValueError(text)
    return value


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    if not (SMALLEST[0] <= width <= LARGEST[0] and SMALLEST[1] <= height <= LARGEST[1]):
        raise ValueError(text)
    return width, height


def _file(text: str) -> Path:
    if not text:
        raise ValueError(text)
    return Path(text)


_PARTS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "light": (Light, ", ".join(Light)),
    "seed": (_seed, f"a whole number from 0 to {SEED_MAX - 1}"),
    "traffic": (_between(0.0, TRAFFIC_MAX), f"0 to {TRAFFIC_MAX:g}"),
    "incidents": (_between(0.0, 1.0), "0 to 1"),
    "size": (_size, "from {}x{} to {}x{}".format(*SMALLEST, *LARGEST)),
    "at": (_between(0.0, 365 * DAY_S), "seconds, 0 or more"),
    "hold": (_file, "a file's name"),
}


class Drawn:
    """See the module and `Reel`."""

    def __init__(
        self, address: StreetAddress, *, settings: CaptureSettings, ticker: Ticker
    ) -> None:
        """Paint what stands still."""
        self._address, self._pace, self._ticker = address, settings.pace, ticker
        self._street = Street(address.settings)
        self._step_s = 1.0 / (settings.fps or DEFAULT_FPS)
        self.width, self.height = address.settings.width, address.settings.height
        self.broken = 0

    def pictures(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """See `Reel`; without end. Pictures that there is no time for are left out."""
        begun_ns, number = self._ticker.now_ns(), 0
        shown: VideoFrame | None = None
        while True:
            at_s = number * self._step_s
            if self._pace:
                self._ticker.wait_until(begun_ns + round(at_s * 1e9))
            if shown is None or not self._held():
                picture, _ = self._street.look(self._address.begin_s + at_s)
                shown = VideoFrame.from_ndarray(picture, format="rgb24")
            yield shown, at_s
            number += 1
            if self._pace:
                passed_s = (self._ticker.now_ns() - begun_ns) / 1e9
                number = max(number, int(passed_s / self._step_s))

    def close(self) -> None:
        """See `Reel`: nothing is open."""

    def _held(self) -> bool:
        return self._address.hold is not None and self._address.hold.exists()
