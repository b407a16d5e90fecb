"""A frame into records, and the way of its picture to the model: no process, no camera."""

import os
import socket
import threading
from typing import Any

import av
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from haidang_edge.agent.facts import ModelFacts
from haidang_edge.agent.link import Answering, Asking, LinkLostError
from haidang_edge.agent.look import Looker
from haidang_edge.agent.messages import CameraJob, Told
from haidang_edge.capture import Frame
from haidang_edge.capture.frame import Scaler
from haidang_protocols.catalogue.loader import load
from haidang_protocols.wire.records import Event, Observation, Phase
from servers.node import CATALOGUE

WIDTH, HEIGHT = 640, 360
PERSON = (0.4, 0.3, 0.6, 0.9, 0.9, 0.0)
CAR = (0.5, 0.3, 0.8, 0.9, 0.9, 2.0)
LABELS = ("person", "bicycle", "car")
S = 10**9


def checkered() -> NDArray[np.uint8]:
    y, x = np.mgrid[:HEIGHT, :WIDTH] // 4
    return np.repeat((((x + y) % 2) * 255).astype(np.uint8)[:, :, None], 3, 2)


def frame(at_s: float, picture: NDArray[np.uint8] | None = None) -> Frame:
    pixels = checkered() if picture is None else picture
    return Frame(
        av.VideoFrame.from_ndarray(pixels, format="rgb24"),
        scaler=Scaler(width=300, height=300, letterbox=False),
        mono_ns=round(at_s * S),
        pts_s=None,
    )


class BrokenFrame(Frame):
    """A frame whose whole picture cannot be had."""

    def picture(self) -> NDArray[np.uint8]:
        raise MemoryError("no room for it")


def job(*, gate: bool = False, observe_s: float = 60.0, **rule: Any) -> CameraJob:
    camera: Any = load(CATALOGUE).cameras[0]
    rules = (replace(camera.rules[0], **{"after_s": 0.0} | rule),)
    return CameraJob(
        camera=replace(camera, gate=gate, observe_s=observe_s, rules=rules),
        model=ModelFacts(
            name="m", sha256="", labels=LABELS, width=300, height=300, letterbox=False
        ),
        counted=LABELS,
        time_zone="Asia/Ho_Chi_Minh",
        source_folder="/",
        loop_files=True,
        life="x",
        epoch_ns=0,
    )


class Eyes:
    """A looker with a detector that a test sets."""

    def __init__(self, told: CameraJob, *, start_s: float = 0.0) -> None:
        self.sees: list[tuple[float, ...]] | None = []
        self.looker = Looker(told, self._infer, mono_ns=round(start_s * S))
        self.asked = 0

    def _infer(self, _frame: Frame) -> NDArray[np.float32] | None:
        self.asked += 1
        return None if self.sees is None else np.array(self.sees, np.float32).reshape(-1, 6)

    def frames(self, *frames: Frame) -> list[Told]:
        return [told for one in frames for told in self.looker.frame(one)]


def shown(told: Told) -> NDArray[np.int_]:
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(told.jpeg))
    assert isinstance(picture, av.VideoFrame)
    return picture.to_ndarray(format="rgb24").astype(int)


def contrast(told: Told, x: float, y: float) -> float:
    """Contrast around a point of the whole picture."""
    pixels = shown(told)
    assert told.crop is not None
    x0, y0, x1, y1 = told.crop
    column = int((x - x0) / (x1 - x0) * pixels.shape[1])
    row = int((y - y0) / (y1 - y0) * pixels.shape[0])
    return float(abs(pixels[row - 8 : row + 8, column - 8 : column + 8] - 127).mean())


def test_an_event_carries_a_picture_that_shows_nobody() -> None:
    eyes = Eyes(job())
    eyes.sees = [PERSON]
    (told,) = eyes.frames(frame(1), frame(1.2))
    assert isinstance(told.record, Event)
    assert told.record.snapshot
    assert contrast(told, 0.5, 0.6) < 15


def test_what_the_rule_releases_is_shown_where_nothing_else_stands_in_it() -> None:
    eyes = Eyes(job(release=("person",)))
    eyes.sees = [PERSON, CAR]
    (told,) = eyes.frames(frame(1), frame(1.2))
    assert contrast(told, 0.45, 0.6) > 100
    assert contrast(told, 0.55, 0.6) < 15


def test_when_no_safe_picture_can_be_made_the_event_goes_without() -> None:
    eyes = Eyes(job())
    eyes.sees = [PERSON]
    broken = BrokenFrame(
        av.VideoFrame(WIDTH, HEIGHT, "rgb24"),
        scaler=Scaler(width=300, height=300, letterbox=False),
        mono_ns=2 * S,
        pts_s=None,
    )
    (told,) = eyes.frames(frame(1.8), broken)
    assert isinstance(told.record, Event)
    assert not told.record.snapshot
    assert told.jpeg == b""


def test_a_rule_without_pictures_makes_none() -> None:
    eyes = Eyes(job(snapshot=False))
    eyes.sees = [PERSON]
    (told,) = eyes.frames(frame(1), frame(1.2))
    assert told.jpeg == b""


def test_the_gate_spares_the_detector_and_time_goes_on() -> None:
    eyes = Eyes(job(gate=True, clear_s=1.0))
    still = frame(0).picture()
    eyes.frames(*(frame(n / 5, still) for n in range(1, 26)))
    assert 1 <= eyes.asked < 15
    assert eyes.looker.looked == eyes.asked


def test_while_there_is_no_model_nothing_is_looked_at_and_open_events_wait() -> None:
    eyes = Eyes(job(clear_s=1.0))
    eyes.sees = [PERSON]
    (begin,) = eyes.frames(frame(1), frame(1.2))
    eyes.sees = None
    assert eyes.frames(*(frame(2 + n) for n in range(5))) == []
    assert eyes.looker.looked == 2
    eyes.sees = [PERSON]
    assert eyes.frames(frame(7)) == [], "still there: the same event"
    ended = [told.record for told in eyes.looker.close(8 * S)]
    assert [r.phase for r in ended if isinstance(r, Event)] == [Phase.END]
    assert isinstance(begin.record, Event)
    assert [r.event for r in ended if isinstance(r, Event)] == [begin.record.event]
    assert any(isinstance(r, Observation) for r in ended)


def test_ids_of_another_life_are_never_given_again() -> None:
    numbers: list[int | None] = []
    for start_s in (1.0, 100.0):
        eyes = Eyes(job(), start_s=start_s)
        for at_s in range(3):
            eyes.sees = [PERSON if at_s % 2 == 0 else (0.0, 0.7, 0.1, 1.0, 0.9, 0.0)]
            told = eyes.frames(frame(start_s + at_s), frame(start_s + at_s + 0.2))
            numbers += [t.record.track for t in told if isinstance(t.record, Event)]
    assert len(numbers) >= 4
    assert len(set(numbers)) == len(numbers)


# --- the link -----------------------------------------------------------------------------------


def link() -> tuple[Asking, Answering]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slot = os.memfd_create("test")
    os.ftruncate(slot, 300 * 300 * 3)
    other = os.dup(slot)
    asking = Asking(ours.detach(), slot, width=300, height=300)
    return asking, Answering(theirs.detach(), other, width=300, height=300)


def test_a_picture_goes_through_the_slot_and_boxes_come_back() -> None:
    asking, answering = link()
    seen: list[Any] = []

    def infer(pixels: NDArray[np.uint8], covers: tuple[float, float]) -> NDArray[np.float32]:
        seen.append((pixels.copy(), covers))
        return np.array([PERSON, CAR], np.float32)

    served = threading.Thread(target=answering.answer, args=(infer,))
    served.start()
    asked = frame(1)
    rows = asking.infer(asked)
    served.join()
    ((pixels, covers),) = seen
    assert (pixels == asked.pixels).all()
    assert covers == asked.covers
    assert rows.tolist() == np.array([PERSON, CAR], np.float32).tolist()
    asking.close()
    assert not answering.answer(infer), "the camera is gone"
    answering.close()


def test_a_model_that_is_gone_is_told_at_once() -> None:
    asking, answering = link()
    answering.close()
    with pytest.raises(LinkLostError):
        asking.infer(frame(1))
    asking.close()
