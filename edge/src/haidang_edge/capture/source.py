"""Opens a camera, a file or a drawn street and yields its pictures; stall, end, refusal differ."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from av import VideoFrame

from haidang_edge.capture.address import Address
from haidang_edge.capture.drawn import Drawn
from haidang_edge.capture.frame import Frame, Pixels, Scaler, rows_of
from haidang_edge.capture.pacing import Stillness, Thinner
from haidang_edge.capture.reel import Reel, Ticker
from haidang_edge.capture.settings import CaptureSettings, boottime_ns
from haidang_edge.capture.video import Video

SAMPLE_EVERY_ROWS = 16


def open_source(
    source: str | Address,
    *,
    width: int,
    height: int,
    settings: CaptureSettings | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    clock: Callable[[], int] = boottime_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> "Source":
    """Open a file, an `rtsp://` URL or a `street:` for a model that takes `width` × `height`.

    Args:
        source: as the catalogue says it.
        width: of the model's input; `height` likewise.
        height: see `width`.
        settings: see `CaptureSettings`.
        environment: fills the source's `${NAME}`; the process's own by default.
        folder: where a relative file begins.
        clock: nanoseconds; for tests.
        sleep: seconds; for tests.

    Raises:
        SourceAddressError: no retry can mend it.
        SourceRefusedError: it does not open now.
    """
    if isinstance(source, str):
        source = Address.parse(source, environment=environment, folder=folder)
    chosen = settings or CaptureSettings()
    ticker = Ticker(now_ns=clock, sleep=sleep)
    reel: Reel
    if source.street is not None:
        reel = Drawn(source.street, settings=chosen, ticker=ticker)
    else:
        reel = Video(source, settings=chosen, ticker=ticker)
    scaler = Scaler(width=width, height=height, letterbox=chosen.letterbox)
    return Source(source, reel, settings=chosen, scaler=scaler, clock=clock)


class Source:
    """An open source. Used by one thread; closed by its user.

    Attributes:
        address: where it is.
        width: of its pictures; `height` likewise.
        still_s: for how long the picture has not changed at all.
    """

    def __init__(
        self,
        address: Address,
        reel: Reel,
        *,
        settings: CaptureSettings,
        scaler: Scaler,
        clock: Callable[[], int],
    ) -> None:
        """Take what was opened; `open_source` is the way in."""
        self.address, self._reel = address, reel
        self._settings, self._scaler, self._clock = settings, scaler, clock
        self._still = Stillness()
        self.still_s = 0.0
        self.width, self.height = reel.width, reel.height

    @property
    def broken(self) -> int:
        """Packets that could not be decoded."""
        return self._reel.broken

    @property
    def frozen(self) -> bool:
        """Whether pictures come but show the same to the byte for `freeze_s`."""
        return self.still_s >= self._settings.freeze_s

    def frames(self) -> Iterator[Frame]:
        """The pictures worth a look. A file without `loop` just ends.

        A live source must be taken from without pause, or it falls behind the scene: who works on
        the pictures does so elsewhere, on the newest one.

        Raises:
            SourceStalledError: no picture within `stall_s`.
            SourceEndedError: a live source ended, or the connection broke.
        """
        thinner = Thinner(self._settings.fps)
        for frame, pts_s in self._reel.pictures():
            now_ns = self._clock()
            if not thinner.due(now_ns / 1e9 if pts_s is None else pts_s):
                continue
            self.still_s = self._still.seconds(_sample(frame), now_ns)
            yield Frame(frame, scaler=self._scaler, mono_ns=now_ns, pts_s=pts_s)

    def close(self) -> None:
        """Let the source go; again is well."""
        self._reel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _sample(frame: VideoFrame) -> Pixels:
    """Some rows of the first plane, without the padding at their ends; no copy."""
    plane = frame.planes[0]
    rows = rows_of(plane, rows=plane.height, row_bytes=min(plane.width, plane.line_size))
    return rows[::SAMPLE_EVERY_ROWS]
