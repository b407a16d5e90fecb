"""Opens a camera or a file and yields its pictures; stall, end and refusal are told apart."""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av import Packet, VideoFrame
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from haidang_edge.capture.address import Address
from haidang_edge.capture.errors import SourceEndedError, SourceRefusedError, SourceStalledError
from haidang_edge.capture.frame import Frame, Pixels, Scaler, rows_of
from haidang_edge.capture.pacing import Stillness, Thinner

SAMPLE_EVERY_ROWS = 16
DEFAULT_STEP_S = 0.04
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "the user or the password is refused"),
    (av.error.HTTPForbiddenError, "this user may not see it"),
    (av.error.HTTPNotFoundError, "the camera has no stream of that path"),
    (ConnectionRefusedError, "nobody listens at that address"),
    (FileNotFoundError, "there is no such file"),
    (PermissionError, "may not be read"),
    (IsADirectoryError, "is a folder"),
    (av.error.InvalidDataError, "is no video that can be read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """How a source is read.

    Attributes:
        fps: pictures a second at most, on average; None is all.
        letterbox: pictures keep their shape, grey fills the model's size; else they are stretched.
        loop: a file begins again at its end.
        pace: a file's pictures come at their own times; else as fast as they are taken.
        open_timeout_s: a source must open within this.
        stall_s: without a picture for this long it counts as stalled.
        freeze_s: a picture that stays the same to the byte for this long counts as frozen.
    """

    fps: float | None = None
    letterbox: bool = False
    loop: bool = False
    pace: bool = False
    open_timeout_s: float = 10.0
    stall_s: float = 10.0
    freeze_s: float = 30.0


def boottime_ns() -> int:
    """The node's clock that no one sets: nanoseconds since boot, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


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
    """Open a file or an `rtsp://` URL for a model that takes `width` × `height`.

    Args:
        source: as the catalogue says it.
        width: of the model's input; `height` likewise.
        height: see `width`.
        environment: fills the source's `${NAME}`; the process's own by default.
        settings: see `CaptureSettings`.
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
    scaler = Scaler(width=width, height=height, letterbox=chosen.letterbox)
    return Source(source, settings=chosen, scaler=scaler, clock=clock, sleep=sleep)


class Source:
    """An open source. Used by one thread; closed by its user.

    Attributes:
        address: where it is.
        width: of its pictures; `height` likewise.
        broken: packets that could not be decoded.
        still_s: for how long the picture has not changed at all.
    """

    def __init__(
        self,
        address: Address,
        *,
        settings: CaptureSettings,
        scaler: Scaler,
        clock: Callable[[], int],
        sleep: Callable[[float], None],
    ) -> None:
        """Open it; `open_source` is the way in."""
        self.address = address
        self._settings, self._scaler = settings, scaler
        self._clock, self._sleep = clock, sleep
        self._still = Stillness()
        self.broken, self.still_s = 0, 0.0
        self._container, self._stream = _open(address, settings)
        self.width, self.height = self._stream.width, self._stream.height

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
        for frame, pts_s in self._decoded():
            now_ns = self._clock()
            if not thinner.due(now_ns / 1e9 if pts_s is None else pts_s):
                continue
            self.still_s = self._still.seconds(_sample(frame), now_ns)
            yield Frame(frame, scaler=self._scaler, mono_ns=now_ns, pts_s=pts_s)

    def close(self) -> None:
        """Let the source go; again is well."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _decoded(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """Every picture with its time, seconds from the first one."""
        if self.address.live:
            yield from self._timed()
            raise SourceEndedError(self.address.shown, "the camera ended the stream")
        begun_ns, end_s = self._clock(), 0.0
        while True:
            before_s = end_s
            for frame, pts_s in self._timed():
                at_s = end_s if pts_s is None else before_s + pts_s
                end_s = at_s + self._step_s()
                if self._settings.pace:
                    self._wait_until(begun_ns + round(at_s * 1e9))
                yield frame, at_s
            if not self._settings.loop or end_s == before_s:
                return
            self._container.close()
            self._container, self._stream = _open(self.address, self._settings)

    def _timed(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """Every picture until the end with its stream time, the first being 0."""
        first_s: float | None = None
        for frame in self._pictures():
            if frame.pts is None or frame.time_base is None:
                yield frame, None
                continue
            pts_s = float(frame.pts * frame.time_base)
            first_s = pts_s if first_s is None else first_s
            yield frame, pts_s - first_s

    def _pictures(self) -> Iterator[VideoFrame]:
        """Decode until the end; a packet that cannot be decoded is counted and passed over."""
        seen_ns = self._clock()
        try:
            for packet in self._container.demux(self._stream):
                for frame in self._decode(packet):
                    yield frame
                    seen_ns = self._clock()
                if self.address.live and (self._clock() - seen_ns) / 1e9 > self._settings.stall_s:
                    raise self._stalled("data come, but no picture can be made of them")
        except (av.error.ExitError, TimeoutError):
            raise self._stalled("no data") from None  # the cause's text holds the password
        except av.FFmpegError as error:
            why = f"reading failed: {error.strerror}"
            raise SourceEndedError(self.address.shown, why) from None

    def _decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        try:
            return packet.decode()
        except av.error.InvalidDataError:
            self.broken += 1
            return []

    def _stalled(self, why: str) -> SourceStalledError:
        return SourceStalledError(self.address.shown, f"{why} for {self._settings.stall_s:g} s")

    def _step_s(self) -> float:
        """How long a picture of a file lasts."""
        rate = self._stream.average_rate
        return float(1 / rate) if rate else DEFAULT_STEP_S

    def _wait_until(self, mono_ns: int) -> None:
        wait_s = (mono_ns - self._clock()) / 1e9
        if wait_s > 0:
            self._sleep(wait_s)


def _open(address: Address, settings: CaptureSettings) -> tuple[InputContainer, VideoStream]:
    """The container and its video stream, or `SourceRefusedError`."""
    begun_s = time.monotonic()
    try:
        container = av.open(
            address.url if address.live else f"file:{address.url}",
            options=_options(settings) if address.live else {},
            timeout=(settings.open_timeout_s, settings.stall_s) if address.live else None,
        )
    except av.FFmpegError as error:
        late = address.live and time.monotonic() - begun_s >= settings.open_timeout_s
        why = f"no answer within {settings.open_timeout_s:g} s" if late else _reason(error, address)
        raise SourceRefusedError(address.shown, why) from None  # its text holds the password
    try:
        return container, _video(container, address)
    except SourceRefusedError:
        container.close()
        raise


def _options(settings: CaptureSettings) -> dict[str, str]:
    """FFmpeg's options for RTSP; it ignores in silence what it does not know."""
    longest_s = max(settings.open_timeout_s, settings.stall_s)
    return {
        "rtsp_transport": "tcp",
        "allowed_media_types": "video",
        "fpsprobesize": "0",  # the first picture comes 0.8 s sooner: the rate is not needed
        "timeout": str(round(longest_s * 1e6)),
    }


def _video(container: InputContainer, address: Address) -> VideoStream:
    """Its first video stream, decoded in this thread: more of them cost more than they give."""
    if not container.streams.video:
        raise SourceRefusedError(address.shown, "holds no video")
    stream = container.streams.video[0]
    context: VideoCodecContext | None = stream.codec_context
    if context is None:
        raise SourceRefusedError(address.shown, "its video is of a kind that cannot be decoded")
    context.thread_type = ThreadType.NONE
    context.thread_count = 1
    return stream


def _reason(error: av.FFmpegError, address: Address) -> str:
    """Why it did not open, in words; never the error's own text, which holds the URL."""
    if address.live and error.errno == errno.EIO:  # all that FFmpeg says of a name without a host
        return "there is no host of that name, or it broke off"
    found = next((why for kind, why in _REASONS if isinstance(error, kind)), None)
    return found or str(error.strerror)


def _sample(frame: VideoFrame) -> Pixels:
    """Some rows of the first plane, without the padding at their ends; no copy."""
    plane = frame.planes[0]
    rows = rows_of(plane, rows=plane.height, row_bytes=min(plane.width, plane.line_size))
    return rows[::SAMPLE_EVERY_ROWS]
