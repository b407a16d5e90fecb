"""Capture from files: what comes out, how often, at which time, and what a bad source is told."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clip import FPS, HEIGHT, WIDTH, still, walking, write_clip
from haidang_edge.capture import (
    Address,
    CaptureSettings,
    SourceAddressError,
    SourceEndedError,
    SourceRefusedError,
    open_source,
)
from haidang_edge.capture.pacing import Stillness, Thinner


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", frames=25)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns, self.slept = 5_000_000_000, 0.0

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now_ns += round(seconds * 1e9)


def square_at(pixels: np.ndarray) -> float:
    """Where the bright square's middle is, as a share of the width."""
    row = pixels[pixels.shape[0] // 2, :, 0].astype(float) - 60
    return float((row.clip(0) * np.arange(len(row))).sum() / row.clip(0).sum() / len(row))


def test_a_file_gives_every_picture_in_order_at_the_models_size_with_its_time(clip: Path) -> None:
    with open_source(str(clip), width=64, height=48) as source:
        assert (source.width, source.height) == (WIDTH, HEIGHT)
        frames = list(source.frames())
    assert [f.pts_s for f in frames] == pytest.approx([n / FPS for n in range(25)])
    assert [f.mono_ns for f in frames] == sorted(f.mono_ns for f in frames)
    for frame in frames:
        assert frame.pixels.shape == (48, 64, 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
    places = [square_at(f.pixels) for f in frames]
    assert places == pytest.approx([(n * 8 + 20) / WIDTH for n in range(25)], abs=0.03)


def test_colours_are_rgb_and_the_whole_picture_is_there_when_asked_for(clip: Path) -> None:
    with open_source(str(clip), width=64, height=48) as source:
        frame = next(source.frames())
        picture = frame.picture()
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(picture.astype(int) - walking(0).astype(int)).mean() < 4
    for pixels in (frame.pixels, picture):
        left, right = pixels[1, 2].astype(int), pixels[1, -3].astype(int)
        assert left[0] > left[2] + 100
        assert right[2] > right[0] + 100
    assert (frame.width, frame.height, frame.covers) == (WIDTH, HEIGHT, (1.0, 1.0))


def test_pixels_are_written_straight_into_a_slot_of_the_callers(clip: Path) -> None:
    ring = np.zeros((2, 48, 64, 3), np.uint8)
    with open_source(str(clip), width=64, height=48) as source:
        for number, frame in zip(range(2), source.frames(), strict=False):
            frame.write_pixels(ring[number])
            assert np.array_equal(ring[number], frame.pixels)
    assert not np.array_equal(ring[0], ring[1])


def test_a_letterboxed_picture_keeps_its_shape_and_says_how_much_it_covers(clip: Path) -> None:
    settings = CaptureSettings(letterbox=True)
    with open_source(str(clip), width=64, height=64, settings=settings) as source:
        frame = next(source.frames())
    assert frame.covers == pytest.approx((1.0, 36 / 64))
    assert (frame.pixels[36:] == 114).all()
    assert not (frame.pixels[:36] == 114).all()


def test_a_tall_picture_is_letterboxed_at_its_side(tmp_path: Path) -> None:
    tall = write_clip(
        tmp_path / "tall.mp4",
        frames=1,
        draw=lambda n: np.ascontiguousarray(walking(n).swapaxes(0, 1)),
    )
    settings = CaptureSettings(letterbox=True)
    with open_source(str(tall), width=64, height=64, settings=settings) as source:
        frame = next(source.frames())
    assert frame.covers == pytest.approx((36 / 64, 1.0))
    assert (frame.pixels[:, 36:] == 114).all()


def test_the_gates_grey_is_small_and_shows_the_scene(clip: Path) -> None:
    with open_source(str(clip), width=64, height=48) as source:
        luma = next(source.frames()).luma
    assert luma.shape == (45, 80)
    assert luma.dtype == np.uint8
    assert int(luma[22, 5]) > int(luma[22, 50]) + 100


@pytest.mark.parametrize(("fps", "expected"), [(5, 13), (10, 25), (2, 5), (60, 25), (None, 25)])
def test_fewer_looks_are_taken_evenly(clip: Path, fps: float | None, expected: int) -> None:
    with open_source(str(clip), width=32, height=32, settings=CaptureSettings(fps=fps)) as source:
        times = [f.pts_s or 0.0 for f in source.frames()]
    assert len(times) == expected
    assert np.diff(times) == pytest.approx(max(1 / FPS, 1 / (fps or 60)), abs=0.001)


def test_a_paced_file_comes_in_its_own_time_and_goes_round_without_a_jump(clip: Path) -> None:
    clock = Time()
    settings = CaptureSettings(loop=True, pace=True)
    with open_source(
        str(clip), width=32, height=32, settings=settings, clock=clock, sleep=clock.sleep
    ) as source:
        frames = [frame for _, frame in zip(range(60), source.frames(), strict=False)]
    assert [f.pts_s for f in frames] == pytest.approx([n / FPS for n in range(60)])
    assert [(f.mono_ns - frames[0].mono_ns) / 1e9 for f in frames] == pytest.approx(
        [n / FPS for n in range(60)]
    )
    assert np.array_equal(frames[0].pixels, frames[25].pixels)


def test_an_unpaced_file_never_waits(clip: Path) -> None:
    clock = Time()
    with open_source(str(clip), width=32, height=32, clock=clock, sleep=clock.sleep) as source:
        assert sum(1 for _ in source.frames()) == 25
    assert clock.slept == 0.0


def test_a_picture_that_never_changes_counts_as_frozen(tmp_path: Path) -> None:
    settings = CaptureSettings(pace=True, freeze_s=2.0)
    clock = Time()
    path = write_clip(tmp_path / "still.mp4", frames=40, draw=still)
    with open_source(
        str(path), width=32, height=32, settings=settings, clock=clock, sleep=clock.sleep
    ) as source:
        frozen = [source.frozen for _ in source.frames()]
    # a key picture a second may differ by rounding; x264 gives the same bytes for this drawing
    assert frozen[0] is False
    assert frozen[-1] is True


def test_a_picture_that_moves_never_counts_as_frozen(clip: Path) -> None:
    clock, settings = Time(), CaptureSettings(pace=True, loop=True, freeze_s=0.3)
    with open_source(
        str(clip), width=32, height=32, settings=settings, clock=clock, sleep=clock.sleep
    ) as source:
        assert not any(source.frozen for _, _ in zip(range(50), source.frames(), strict=False))


def test_a_photograph_is_a_clip_of_one_picture(tmp_path: Path) -> None:
    photograph = tmp_path / "one.png"
    av.VideoFrame.from_ndarray(walking(3), format="rgb24").save(str(photograph))
    with open_source(str(photograph), width=64, height=48) as source:
        (frame,) = source.frames()
    assert np.array_equal(frame.picture(), walking(3))
    assert frame.luma.shape == (45, 80)


def test_a_broken_packet_is_passed_over(tmp_path: Path, clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    begin = data.index(b"mdat") + 2000
    data[begin : begin + 400] = bytes(400)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(bytes(data))
    with open_source(str(broken), width=32, height=32) as source:
        seen = sum(1 for _ in source.frames())
        assert source.broken >= 1
        assert seen >= 10


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (b"", "is no video that can be read"),
        (b"just text\n" * 100, "is no video that can be read"),
    ],
)
def test_a_file_that_is_no_video_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceRefusedError) as refused:
        open_source("clip.mp4", width=32, height=32, folder=tmp_path)
    assert str(refused.value) == f"{path}: {why}"
    assert str(refused.value.why) == why
    assert refused.value.state == "down"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefusedError, match="is a folder"):
        open_source(str(tmp_path), width=32, height=32)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceRefusedError, match="holds no video"):
        open_source(str(path), width=32, height=32)


def test_a_file_cut_short_ends_early_without_a_traceback(tmp_path: Path, clip: Path) -> None:
    moved = tmp_path / "cut.mkv"
    with av.open(str(clip)) as read, av.open(str(moved), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    moved.write_bytes(moved.read_bytes()[: moved.stat().st_size // 2])
    with open_source(str(moved), width=32, height=32) as source:
        seen = 0
        try:
            for _ in source.frames():
                seen += 1
        except SourceEndedError:
            pass
    assert 0 < seen < 25


# --- addresses ---------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_and_are_shown_nowhere() -> None:
    source = "rtsp://admin:${CAM_PASSWORD}@10.0.0.5:554/h264?token=${TOKEN}&channel=1"
    address = Address.parse(source, environment={"CAM_PASSWORD": "p@ss/w:rd", "TOKEN": "t0k"})
    assert address.url == "rtsp://admin:p%40ss%2Fw%3Ard@10.0.0.5:554/h264?token=t0k&channel=1"
    assert address.live
    assert address.shown == "rtsp://10.0.0.5:554/h264"
    for secret in ("p@ss", "p%40ss", "t0k", "admin"):
        assert secret not in repr(address)


def test_a_password_in_the_path_is_not_shown() -> None:
    address = Address.parse(
        "rtsp://10.0.0.5/user=admin&password=geheim&channel=1&stream=0.sdp", environment={}
    )
    assert address.url.endswith("password=geheim&channel=1&stream=0.sdp")
    assert "geheim" not in repr(address)
    assert "channel=1" in address.shown


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("rtsp://a:${NOT_SET}@host/x", "the environment variable NOT_SET is not set"),
        (
            "ftp://a:secret@host/x",
            "ftp:// is not known; allowed: rtsp://, rtsps://, street: or a file",
        ),
        ("rtsp:///stream", "there is no host in it"),
        ("${NOT_SET}/clip.mp4", "the environment variable NOT_SET is not set"),
    ],
)
def test_a_source_that_cannot_be_is_a_clear_error(source: str, said: str) -> None:
    with pytest.raises(SourceAddressError) as refused:
        open_source(source, width=32, height=32, environment={})
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_relative_file_begins_at_the_folder_and_an_absolute_one_does_not() -> None:
    here = Path("/srv/clips")
    assert Address.parse("gate.mp4", folder=here).url == "/srv/clips/gate.mp4"
    assert Address.parse("/var/gate.mp4", folder=here).url == "/var/gate.mp4"
    assert Address.parse("file:///var/gate.mp4", folder=here).url == "/var/gate.mp4"
    assert Address.parse("${DIR}/a.mp4", environment={"DIR": "/x"}).url == "/x/a.mp4"
    assert not Address.parse("gate.mp4").live


def test_a_camera_on_a_cable_is_live_and_says_when_it_is_not_there() -> None:
    address = Address.parse("/dev/video63")
    assert address.live
    assert address.device
    with pytest.raises(SourceRefusedError, match="/dev/video63: there is no such file"):
        open_source(address, width=64, height=48)


# --- pacing ------------------------------------------------------------------------------------

GAPS = st.lists(st.floats(0.001, 0.5), min_size=1, max_size=300)


def times(gaps: list[float]) -> Iterator[float]:
    at = 0.0
    for gap in gaps:
        at += gap
        yield at


@given(GAPS, st.floats(0.5, 30.0))
def test_thinning_never_exceeds_the_rate_and_never_starves(gaps: list[float], fps: float) -> None:
    thinner, taken, at_s = Thinner(fps), [], 0.0
    for at_s in times(gaps):
        if thinner.due(at_s):
            taken.append(at_s)
    first = next(times(gaps))
    assert taken[0] == first
    assert len(taken) <= (at_s - first) * fps + 2
    longest = max(gaps) + 2 / fps
    assert all(b - a <= longest for a, b in zip(taken, [*taken[1:], at_s], strict=True))


def test_thinning_begins_anew_when_the_streams_time_jumps_back() -> None:
    thinner = Thinner(1.0)
    assert [thinner.due(t) for t in (100.0, 100.4, 101.0)] == [True, False, True]
    assert [thinner.due(t) for t in (0.0, 0.3, 1.0)] == [True, False, True]


def test_stillness_counts_from_the_last_change_and_keeps_no_view_of_the_picture() -> None:
    stillness, picture = Stillness(), np.zeros((4, 4), np.uint8)
    assert stillness.seconds(picture, 0) == 0.0
    assert stillness.seconds(picture, 3_000_000_000) == 3.0
    picture[2, 2] = 1  # the same memory, another picture
    assert stillness.seconds(picture, 4_000_000_000) == 0.0
    assert stillness.seconds(picture, 5_500_000_000) == 1.5
