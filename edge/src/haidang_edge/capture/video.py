"""The reel of a file or a stream: FFmpeg opens, reads and decodes it, in this thread."""

import errno
import time
from collections.abc import Iterator

import av
from av import Packet, VideoFrame
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from haidang_edge.capture.address import Address
from haidang_edge.capture.errors import SourceEndedError, SourceRefusedError, SourceStalledError
from haidang_edge.capture.reel import Ticker
from haidang_edge.capture.settings import CaptureSettings
from haidang_protocols.wire.reasons import Reason, because

DEFAULT_STEP_S = 0.04
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "camera.login"),
    (av.error.HTTPForbiddenError, "camera.forbidden"),
    (av.error.HTTPNotFoundError, "camera.no_stream"),
    (ConnectionRefusedError, "camera.nobody"),
    (FileNotFoundError, "camera.no_file"),
    (PermissionError, "camera.locked"),
    (IsADirectoryError, "camera.folder"),
    (av.error.InvalidDataError, "camera.no_video"),
)


class Video:
    """See the module and `Reel`."""

    def __init__(self, address: Address, *, settings: CaptureSettings, ticker: Ticker) -> None:
        """Open it; raises `SourceRefusedError`."""
        self._address, self._settings, self._ticker = address, settings, ticker
        self.broken = 0
        self._container, self._stream = _open(address, settings)
        self.width, self.height = self._stream.width, self._stream.height

    def pictures(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """See `Reel`; raises `SourceStalledError` and, for a live source, `SourceEndedError`."""
        if self._address.live:
            yield from self._timed()
            raise SourceEndedError(self._address.shown, because("camera.over"))
        begun_ns, end_s = self._ticker.now_ns(), 0.0
        while True:
            before_s = end_s
            for frame, pts_s in self._timed():
                at_s = end_s if pts_s is None else before_s + pts_s
                end_s = at_s + self._step_s()
                if self._settings.pace:
                    self._ticker.wait_until(begun_ns + round(at_s * 1e9))
                yield frame, at_s
            if not self._settings.loop or end_s == before_s:
                return
            self._container.close()
            self._container, self._stream = _open(self._address, self._settings)

    def close(self) -> None:
        """See `Reel`."""
        self._container.close()

    def _timed(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """Every picture until the end with its stream time, the first being 0."""
        first_s: float | None = None
        for frame in self._decoded():
            if frame.pts is None or frame.time_base is None:
                yield frame, None
                continue
            pts_s = float(frame.pts * frame.time_base)
            first_s = pts_s if first_s is None else first_s
            yield frame, pts_s - first_s

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decode until the end; a packet that cannot be decoded is counted and passed over."""
        now_ns = self._ticker.now_ns
        seen_ns = now_ns()
        try:
            for packet in self._container.demux(self._stream):
                for frame in self._decode(packet):
                    yield frame
                    seen_ns = now_ns()
                if self._address.live and (now_ns() - seen_ns) / 1e9 > self._settings.stall_s:
                    raise self._stalled("camera.garbled")
        except (av.error.ExitError, TimeoutError):
            raise self._stalled("camera.silent") from None  # the cause's text holds the password
        except av.FFmpegError as error:
            why = because("camera.broken", why=str(error.strerror))
            raise SourceEndedError(self._address.shown, why) from None

    def _decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        try:
            return packet.decode()
        except av.error.InvalidDataError:
            self.broken += 1
            return []

    def _stalled(self, code: str) -> SourceStalledError:
        why = because(code, seconds=self._settings.stall_s)
        return SourceStalledError(self._address.shown, why)

    def _step_s(self) -> float:
        """How long a picture of a file lasts."""
        rate = self._stream.average_rate
        return float(1 / rate) if rate else DEFAULT_STEP_S


def _open(address: Address, settings: CaptureSettings) -> tuple[InputContainer, VideoStream]:
    """The container and its video stream, or `SourceRefusedError`."""
    begun_s = time.monotonic()
    try:
        container = av.open(
            address.url if address.live else f"file:{address.url}",
            format="v4l2" if address.device else None,
            options=_options(settings) if address.live and not address.device else {},
            timeout=(settings.open_timeout_s, settings.stall_s) if address.live else None,
        )
    except av.FFmpegError as error:
        late = address.live and time.monotonic() - begun_s >= settings.open_timeout_s
        too_late = because("camera.late", seconds=settings.open_timeout_s)
        why = too_late if late else _reason(error, address)
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
        raise SourceRefusedError(address.shown, because("camera.empty"))
    stream = container.streams.video[0]
    context: VideoCodecContext | None = stream.codec_context
    if context is None:
        raise SourceRefusedError(address.shown, because("camera.codec"))
    context.thread_type = ThreadType.NONE
    context.thread_count = 1
    return stream


def _reason(error: av.FFmpegError, address: Address) -> Reason:
    """Why it did not open; never the error's own text, which holds the URL."""
    if address.live and error.errno == errno.EIO:  # all that FFmpeg says of a name without a host
        return because("camera.no_host")
    found = next((code for kind, code in _REASONS if isinstance(error, kind)), None)
    return because(found) if found else because("camera.closed", why=str(error.strerror))
