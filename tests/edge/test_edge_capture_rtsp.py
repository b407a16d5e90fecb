"""Capture from a camera that speaks RTSP: it stalls, ends, refuses, freezes, comes back."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fakes.clip import write_clip
from fakes.rtsp import RtspCamera
from haidang_edge.capture import (
    Backoff,
    CaptureError,
    CaptureSettings,
    Frame,
    Source,
    SourceAddressError,
    SourceEndedError,
    SourceRefusedError,
    SourceStalledError,
    open_source,
    reopening,
)
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import Reason, sentence

QUICK = CaptureSettings(open_timeout_s=3.0, stall_s=0.8, freeze_s=0.5)
FPS = 25


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", frames=50, fps=FPS)


@pytest.fixture
def camera(clip: Path) -> Iterator[RtspCamera]:
    with RtspCamera(clip, fps=FPS) as camera:
        yield camera


def opened(camera: RtspCamera, *, settings: CaptureSettings = QUICK, user: str = "") -> Source:
    return open_source(camera.url(user), width=64, height=48, settings=settings)


def test_a_camera_gives_pictures_with_the_streams_time_and_ours_apart(camera: RtspCamera) -> None:
    with opened(camera) as source:
        frames = list(itertools.islice(source.frames(), 30))
    assert (source.width, source.height) == (320, 180)
    stream = [f.pts_s for f in frames if f.pts_s is not None]
    assert len(stream) >= 29
    assert np.diff(stream) == pytest.approx(1 / FPS, abs=0.002)
    assert frames[0].mono_ns < frames[-1].mono_ns
    # this stream's clock wraps round in its first second, and nobody sees it
    assert not np.array_equal(frames[0].pixels, frames[-1].pixels)


def test_fewer_looks_are_taken_from_a_live_stream(camera: RtspCamera) -> None:
    with opened(camera, settings=CaptureSettings(fps=5)) as source:
        frames = list(itertools.islice(source.frames(), 6))
    stream = [f.pts_s for f in frames[2:] if f.pts_s is not None]
    assert np.diff(stream) == pytest.approx(0.2, abs=0.002)


def test_a_camera_that_falls_silent_is_stalled(camera: RtspCamera) -> None:
    with opened(camera) as source, pytest.raises(SourceStalledError) as stalled:
        for number, _ in enumerate(source.frames()):
            if number == 5:
                camera.silent.set()
    assert str(stalled.value.why) == "no data for 0.8 s"
    assert stalled.value.state is CameraState.STALLED


def test_data_that_make_no_picture_are_a_stall_too(camera: RtspCamera) -> None:
    with opened(camera) as source, pytest.raises(SourceStalledError) as stalled:
        for number, _ in enumerate(source.frames()):
            if number == 5:
                camera.garbled.set()
    assert str(stalled.value.why) == "data come, but no picture can be made of them for 0.8 s"


def test_a_camera_that_hangs_up_has_ended(camera: RtspCamera) -> None:
    with opened(camera) as source, pytest.raises(SourceEndedError) as ended:
        for number, _ in enumerate(source.frames()):
            if number == 5:
                camera.hang_up()
    assert ended.value.state is CameraState.ENDED


def test_nobody_there_is_refused(clip: Path) -> None:
    with RtspCamera(clip) as gone:
        pass
    with pytest.raises(SourceRefusedError, match="nobody listens at that address"):
        opened(gone)


def test_a_name_without_a_host_is_refused() -> None:
    with pytest.raises(SourceRefusedError, match="there is no host of that name"):
        # a label longer than a name may have: no name server is asked
        open_source(f"rtsp://{'x' * 70}/stream", width=64, height=48, settings=QUICK)


def test_a_camera_that_answers_nothing_is_refused_in_time(camera: RtspCamera) -> None:
    camera.mute.set()
    with pytest.raises(SourceRefusedError, match=r"no answer within 0\.5 s"):
        opened(camera, settings=CaptureSettings(open_timeout_s=0.5))


def test_a_path_that_is_not_there_is_refused(camera: RtspCamera) -> None:
    with pytest.raises(SourceRefusedError, match="the camera has no stream of that path"):
        open_source(camera.url(path="other"), width=64, height=48)


@pytest.mark.parametrize("user", ["", "admin:wr0ng"])
def test_a_wrong_password_is_told_and_not_repeated(
    clip: Path, user: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspCamera(clip, password="s3cret") as camera:
        with pytest.raises(CaptureError) as refused:
            opened(camera, user=user)
        shown = f"rtsp://127.0.0.1:{camera.port}/stream"
    assert str(refused.value) == f"{shown}: the user or the password is refused"
    assert refused.value.__suppress_context__  # a traceback would print the library's own text
    for told in (caplog.text, *capfd.readouterr()):
        assert "wr0ng" not in told


def test_a_password_with_signs_from_the_environment_is_let_in(clip: Path) -> None:
    password = "s3/cr:e@t%"
    with RtspCamera(clip, password=password) as camera:
        url = camera.url("admin:${CAM_PASSWORD}")
        with open_source(
            url, width=64, height=48, settings=QUICK, environment={"CAM_PASSWORD": password}
        ) as source:
            assert next(source.frames()).width == 320
            assert password not in repr(source.address)


class Watch:
    """What `reopening` says, and its pictures taken until something is seen."""

    def __init__(self, camera: RtspCamera, *, settings: CaptureSettings = QUICK) -> None:
        self.told: list[tuple[CameraState, str]] = []
        self.mends: dict[CameraState, Callable[[], object]] = {}
        self.stop = threading.Event()
        self.frames: Iterator[Frame] = reopening(
            lambda: opened(camera, settings=settings),
            on_state=self._on_state,
            stop=self.stop,
            backoff=Backoff(first_s=0.05, most_s=0.1),
            jitter=lambda: 1.0,
        )

    def _on_state(self, state: CameraState, why: Reason | None) -> None:
        self.told.append((state, sentence(why)))
        self.mends.pop(state, lambda: None)()

    def until(self, state: CameraState) -> None:
        """Take pictures until `state` was told once more."""
        before = len(self.told)
        while state not in [told for told, _ in self.told[before:]]:
            next(self.frames)

    @property
    def states(self) -> list[str]:
        return [state.value for state, _ in self.told]


def test_a_camera_is_opened_again_after_a_stall_and_after_an_end(camera: RtspCamera) -> None:
    watch = Watch(camera)
    watch.until(CameraState.LIVE)
    camera.silent.set()
    watch.mends[CameraState.STALLED] = camera.silent.clear
    watch.until(CameraState.LIVE)
    camera.hang_up()
    watch.until(CameraState.LIVE)
    assert watch.states == [
        *("connecting", "live", "stalled"),
        *("connecting", "live", "ended"),
        *("connecting", "live"),
    ]
    watch.stop.set()
    assert list(itertools.islice(watch.frames, 5)) == []


def test_a_camera_that_is_down_is_tried_until_it_is_there(clip: Path) -> None:
    with RtspCamera(clip) as first:
        port = first.port
    watch = Watch(first)
    coming: list[RtspCamera] = []
    watch.mends[CameraState.DOWN] = lambda: coming.append(RtspCamera(clip, port=port))
    watch.until(CameraState.LIVE)
    watch.stop.set()
    next(watch.frames, None)
    coming[0].close()
    assert ("down", "nobody listens at that address") in watch.told
    assert watch.states[-2:] == ["connecting", "live"]


def test_a_frozen_camera_is_told_as_frozen_and_as_live_again(camera: RtspCamera) -> None:
    watch = Watch(camera)
    watch.until(CameraState.LIVE)
    camera.frozen.set()
    watch.until(CameraState.FROZEN)
    assert watch.told[-1][1].startswith("the picture has not changed for")
    camera.frozen.clear()
    watch.until(CameraState.LIVE)
    assert watch.states == ["connecting", "live", "frozen", "live"]
    watch.stop.set()
    next(watch.frames, None)


def test_a_file_is_told_as_ended_and_not_opened_again(clip: Path) -> None:
    told: list[tuple[CameraState, Reason | None]] = []
    frames = reopening(
        lambda: open_source(str(clip), width=64, height=48),
        on_state=lambda state, why: told.append((state, why)),
        stop=threading.Event(),
    )
    assert sum(1 for _ in frames) == 50
    assert [state.value for state, _ in told] == ["connecting", "live", "ended"]
    assert [why for _, why in told] == [None, None, Reason(code="camera.end")]


def test_a_source_that_no_retry_can_mend_is_let_through() -> None:
    frames = reopening(
        lambda: open_source("rtsp://${NOT_SET}/x", width=64, height=48, environment={}),
        on_state=lambda *_: None,
        stop=threading.Event(),
    )
    with pytest.raises(SourceAddressError):
        next(frames)


def test_waits_grow_with_each_failure_and_differ_between_cameras() -> None:
    backoff = Backoff(first_s=1.0, most_s=30.0)
    assert [backoff.wait_s(n, 1.0) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait_s(10_000, 1.0) == 30.0
    assert backoff.wait_s(3, 0.0) == 2.0
