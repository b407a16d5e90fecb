"""Takes the pictures of the README from the real console: `make pictures`.

A centre on SQLite with a broker and nodes that speak, alarms raised through its own desk, streets
drawn and redacted as a node does it, and a real browser in which somebody has logged in.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.wall import PASSWORD, SECOND_NS, Coast
from haidang_cloud.cases import Answer
from haidang_edge.privacy import crop_around, redact
from haidang_edge.street import Light, Street, StreetSettings, Truth
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.messages import AnswerKind, CameraState
from haidang_protocols.wire.reasons import because
from haidang_protocols.wire.records import Box
from pictures.smaller import smaller
from servers import find, start
from system.browser.centre import Centre
from system.browser.chromium import PHONE, WIDE, Browser, browser, programs

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
BYTES_MAX = 300_000
SIZE = (1280, 720)
LIVE = ".standing .pulse:not(.waiting)"

STREETS = {
    "bai-sau-1": ("promenade", Light.DUSK, 7),
    "bai-sau-2": ("promenade", Light.DAY, 3),
    "cho-vung-tau-1": ("market", Light.DAY, 19),
    "cho-vung-tau-2": ("market", Light.RAIN, 4),
    "cho-ba-ria-1": ("market", Light.DUSK, 11),
    "cho-ba-ria-2": ("market", Light.DAY, 23),
    "nga-tu-1": ("junction", Light.DUSK, 21),
    "nga-tu-2": ("junction", Light.DAY, 9),
    "cang-1": ("port", Light.NIGHT, 31),
    "cang-2": ("port", Light.DUSK, 5),
}
"""Each camera's view, light and seed."""

ACKNOWLEDGED = AnswerKind.ACKNOWLEDGED
ALARMS: list[tuple[str, str, int, tuple[tuple[str, AnswerKind], ...]]] = [
    ("nga-tu-2", "qua", 52, ()),
    ("cho-ba-ria-1", "dong", 1510, (("binh", ACKNOWLEDGED), ("hoa", AnswerKind.ON_SCENE))),
    ("cho-vung-tau-2", "dong", 350, (("binh", ACKNOWLEDGED),)),
    ("nga-tu-1", "qua", 210, ()),
    ("cang-1", "dem", 395, (("an", ACKNOWLEDGED),)),
    ("bai-sau-2", "dong", 34, ()),
    ("bai-sau-1", "dem", 78, ()),
]
"""Camera, rule, seconds ago, answers so far."""


@cache
def street(camera: str) -> Street:
    view, light, seed = STREETS[camera]
    width, height = SIZE
    return Street(
        StreetSettings(
            view=view, light=light, seed=seed, width=width, height=height, traffic=1.6, incidents=0
        )
    )


def moments(camera: str) -> Iterator[tuple[float, list[Truth]]]:
    """Times at which something whole is to be seen, the fullest first."""
    found = []
    for t_s in range(20, 200, 5):
        middles = [(one.box[0] + one.box[2]) / 2 for one in street(camera).truths(t_s)]
        found.append((sum(0.1 < middle < 0.9 for middle in middles), t_s))
    for _, t_s in sorted(found, reverse=True):
        _, truths = street(camera).look(t_s)
        yield t_s, [one for one in truths if one.visible > 0.6]


def paint(camera: Camera, _now_ns: int) -> tuple[bytes, Box | None]:
    """A picture as the camera's node would send it: what was found, in an unrecognisable street."""
    t_s, truths = next((t, seen) for t, seen in moments(camera.id) if len(seen) >= 2)
    picture, _ = street(camera.id).look(t_s)
    boxes = [one.box for one in truths]
    around = (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
    crop = crop_around(around, width=SIZE[0], height=SIZE[1])
    snapshot = redact(picture, crop=crop, released=boxes)
    return snapshot.jpeg, snapshot.crop


def live(coast: Coast) -> dict[str, str]:
    """An hour of life, and alarms; gives their cases by camera."""
    coast.paint = paint
    coast.hour(seed=4)
    now_ns = time.time_ns()
    for number, camera in enumerate(coast.catalogue.cameras):
        taken_ns = now_ns - (600 + 90 * number) * SECOND_NS
        coast.keep(f"{camera.node}.{0:016x}.{number + 1}", camera, now_ns=taken_ns)
    cases = {}
    for name, rule, age_s, answers in ALARMS:
        cases[name] = coast.alarm(name, rule, age_s=age_s)
        for actor, kind in answers:
            answer = Answer(kind=kind, actor=actor, via="console")
            coast.desk.answer(cases[name], answer, now_ns=time.time_ns())
    return cases


def speak(centre: Centre) -> None:
    """Nodes tell how they are: one line is slow, one camera sees nothing."""
    silent = because("camera.silent", seconds=41)
    centre.nodes.broken = {"cho-ba-ria-2": (CameraState.STALLED, silent)}
    centre.nodes.spools = {"br-2": (312, 46.0)}
    centre.nodes.heat = {"vt-1": 63.0}
    centre.nodes.start()


def shown(window: Browser, centre: Centre, page: str) -> None:
    """Open a page, and wait until all of it is drawn."""
    window.open(centre.origin + page)
    window.wait(LIVE)
    start.wait_until(lambda: not window.all(".skeleton"), what=f"{page} is drawn")
    start.wait_until(
        lambda: window.run("return [...document.images].every((one) => one.complete)"),
        what="its pictures",
    )
    time.sleep(2.0)  # what is fresh fades


def take(window: Browser, centre: Centre, cases: dict[str, str], folder: Path) -> None:
    """Both pictures, as PNG."""
    window.log_in(centre.origin, "an", PASSWORD)
    shown(window, centre, "/")
    window.picture(folder / "wall.png")
    window.forget()
    window.resize(PHONE, sharp=2)
    window.log_in(centre.origin, "chi", PASSWORD)
    shown(window, centre, f"/alarms/{cases['bai-sau-1']}")
    window.picture(folder / "alarm-phone.png")


def main() -> int:
    """Take the pictures and put them where the README finds them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder for the pictures")
    folder: Path = parser.parse_args().to
    mosquitto = find.program("mosquitto")
    if mosquitto is None or programs() is None:
        sys.stderr.write("mosquitto, Chromium and chromedriver are needed: make servers\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="haidang-pictures-") as name:
        home = Path(name)
        broker = start.mosquitto(mosquitto, home / "broker")
        broker.start()
        centre = Centre(home, broker.port)
        try:
            cases = live(centre.coast)
            speak(centre)
            centre.serve()
            with browser(WIDE) as window:
                take(window, centre, cases, home)
        finally:
            centre.close()
            broker.stop()
        for picture in ("wall.png", "alarm-phone.png"):
            packed = smaller((home / picture).read_bytes(), bytes_max=BYTES_MAX)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / picture).write_bytes(packed)
            sys.stdout.write(f"{folder / picture}: {len(packed) // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
