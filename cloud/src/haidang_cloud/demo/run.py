"""Runs the demo from set-up to the end of every process."""

import contextlib
import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import msgspec

from haidang_cloud.demo import programs
from haidang_cloud.demo.children import Child, Crew
from haidang_cloud.demo.desk import Desk
from haidang_cloud.demo.faults import Faults, faults_of
from haidang_cloud.demo.home import (
    CENTRE,
    GUEST,
    LOW_MB,
    Home,
    Lodging,
    Ports,
    free_ports,
    shipped_catalogue,
    typed,
)
from haidang_cloud.demo.own import Own, shows_own, source_of
from haidang_cloud.demo.progress import Progress
from haidang_cloud.demo.servers import Servers
from haidang_cloud.demo.setting_up import SettingUp, Shows
from haidang_cloud.demo.watch import Watch
from haidang_cloud.demo.words import Words
from haidang_cloud.errors import RefusedError, StateUnavailableError
from haidang_cloud.processes import running
from haidang_protocols.catalogue import load_texts
from haidang_protocols.command import discover
from haidang_protocols.errors import UserError

TURN_S = 0.2
LOOK_S = 1.0
ANSWER_S = 2.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What somebody asked for.

    Attributes:
        keep: the folder to keep all data in; None for one that goes with the demo.
        port: the console's; 0 for any.
        servers: real servers instead of the embedded ones.
        camera: an address or a file instead of the four drawn cameras; see `Own`.
        model: belongs to it; `manifest` likewise.
        manifest: see `model`.
    """

    keep: Path | None = None
    port: int = 8080
    language: str = "vi"
    servers: Servers = field(default_factory=Servers)
    camera: str | None = None
    model: str | None = None
    manifest: Path | None = None

    def own(self, words: Words) -> Own | None:
        """What somebody brings; raises `UserError` for half of it."""
        if self.camera is None or self.model is None:
            for half, missing in (
                (self.camera, "model_missing"),
                (self.model, "camera_alone"),
                (self.manifest, "manifest_alone"),
            ):
                if half is not None:
                    raise UserError(words(missing))
            return None
        return Own(camera=self.camera, model=self.model, manifest=self.manifest)


def run(options: DemoOptions) -> int:
    """Run until a signal; raises `UserError` for what a person must mend."""
    running.few_arenas()
    words = Words(options.language)
    own = options.own(words)
    if own is not None:
        own.check(words)
    options.servers.check(words)
    mosquitto = programs.mosquitto(words)
    ports = free_ports(options.port, words)
    with ExitStack() as stack:
        stop = _Stop()
        lodging = Lodging(options.keep, words)
        stack.callback(lodging.close)
        lodging.home.require(_made(options, own), words)
        demo = _Demo(
            options, lodging.home, ports, Progress(words), stop, mosquitto=mosquitto, own=own
        )
        stack.callback(demo.close)
        try:
            demo.set_up()
        except KeyboardInterrupt:
            return 0
        demo.serve()
    return 0


class _Stop:
    """A signal interrupts the set-up at once, and later the serving at its next turn."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._interrupts = True
        for number in _ENDING:
            signal.signal(number, self._hear)

    def settle(self) -> None:
        """From now on a signal only asks."""
        self._interrupts = False

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        first = not self.asked.is_set()
        self.asked.set()
        if self._interrupts and first:
            raise KeyboardInterrupt


class _Demo:
    """The processes, the desk and what watches them."""

    def __init__(
        self,
        options: DemoOptions,
        home: Home,
        ports: Ports,
        progress: Progress,
        stop: _Stop,
        *,
        mosquitto: str,
        own: Own | None,
    ) -> None:
        self._options, self._home, self._ports, self._own = options, home, ports, own
        self._mosquitto = mosquitto
        self._progress, self._stop = progress, stop
        self._words, self._say = progress.words, progress.say
        self._crew = Crew(home.logs, on_restart=self._restarted)
        self._console = ("cloud", "serve", "console") in discover()
        self._open = ExitStack()
        self._faults: Faults | None = None
        self._ready_s: float | None = None
        self._since_ns = 0

    # --- set-up -----------------------------------------------------------------------------

    def set_up(self) -> None:
        """From nothing to a centre that answers."""
        self._say(self._words("title"))
        self._say(self._words("folder", folder=self._home.folder))
        setting = SettingUp(
            self._home,
            self._ports,
            self._crew,
            self._progress,
            servers=self._options.servers,
            mosquitto=self._mosquitto,
            console=self._console,
            made=_made(self._options, self._own),
        )
        if self._options.servers.given:
            with self._progress.step("step_servers"):
                self._options.servers.reach(CENTRE, self._words)
        cord = setting.run(self._shows())
        self._open.callback(cord.close)
        watch = Watch(self._home)
        self._open.callback(watch.close)
        self._watch = watch
        self._since_ns = time.time_ns()
        setting.start()
        self._crew.start(
            "spool",
            programs.haidang(),
            *("node", "spool", "--config", str(self._home.node_file), "--json", "--follow", "1"),
            on_line=watch.hear,
        )
        with self._progress.step("step_ready"):
            self._await_answers()
        camera = watch.catalogue.cameras[-1].id
        faults = faults_of(self._home, self._crew, cord, watch, camera=camera)
        self._faults = Faults(faults)
        self._open.callback(self._open_desk(self._faults).close)
        self._stop.settle()

    def _shows(self) -> Shows:
        if self._home.again:
            if self._own is not None:
                source_of(self._own.camera)  # its password comes from there each time
            return Shows(texts={}, models=(), cameras=0)
        if self._own is not None:
            return shows_own(self._home, self._progress, self._own)
        texts = shipped_catalogue()
        catalogue = load_texts(texts)
        names = tuple(model.name for model in catalogue.models)
        return Shows(texts=texts, models=names, cameras=len(catalogue.cameras))

    def _await_answers(self) -> None:
        port = self._ports.console if self._console else self._ports.api
        path = "/healthz"
        self._progress.wait(
            lambda: _answers(f"http://127.0.0.1:{port}{path}") and self._watch.at_work(),
            *self._crew.children,
        )

    def _open_desk(self, faults: Faults) -> Desk:
        desk = Desk(
            reads={
                "/api/account": lambda _rest: self._watch.account(),
                "/api/faults": lambda _rest: faults.list(),
            },
            acts={
                "/api/faults/": lambda rest: _pressed(faults, rest),
                "/api/people/": self._entry,
            },
        )
        told = {"url": desk.url, "token": desk.token}
        self._home.desk_file.touch(mode=0o600)
        self._home.desk_file.write_bytes(msgspec.json.encode(told) + b"\n")
        return desk

    def _entry(self, rest: str) -> dict[str, str]:
        login = rest.removesuffix("/link")
        return {"link": self._watch.entry_link(login, self._origin)}

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._ports.console if self._console else self._ports.api}"

    # --- serving ----------------------------------------------------------------------------

    def serve(self) -> None:
        """Keep all alive until a signal asks for the end."""
        self._tell_ready()
        look_s, waiting, room = 0.0, True, True
        while not self._stop.asked.wait(TURN_S):
            self._crew.tend()
            now_s = time.monotonic()
            if now_s < look_s:
                continue
            look_s = now_s + LOOK_S
            room = self._tell_room(before=room)
            try:
                self._watch.follow_catalogue()
                waiting = waiting and not self._tell_first_alarm()
            except StateUnavailableError:
                continue  # somebody locks it just now, which is what the demo is for

    def close(self) -> None:
        """End everything."""
        self._stop.settle()
        with contextlib.suppress(OSError):  # the terminal may be what ended
            self._say(f"\n{self._words('ending')}")
        if self._faults is not None:
            self._faults.close()
        self._crew.stop()
        self._open.close()
        with contextlib.suppress(OSError):
            self._say(self._words("ended"))
            if self._options.keep is not None:
                self._say(self._words("kept", folder=self._home.folder, command=self._again()))

    def _again(self) -> str:
        """What starts this demo once more."""
        keep = {"--keep": str(self._home.folder)}
        options = typed(_made(self._options, self._own) | keep)
        return f"{programs.spoken()} demo {options}"

    def _tell_ready(self) -> None:
        words, seconds = self._words, time.monotonic() - self._progress.begun_s
        self._ready_s = time.monotonic()
        self._say(f"\n{words('ready', seconds=f'{seconds:.1f}')}\n")
        if self._console:
            self._say(words("console", link=self._watch.entry_link(GUEST, self._origin)))
            self._say(words("desk", link=f"{self._origin}/faults"))
        else:
            self._say(words("no_console", link=self._origin))
        if self._options.servers.grafana:
            self._say(words("grafana", link=self._options.servers.grafana))
        self._say("")
        self._say(words("try" if self._options.camera is None else "try_own"))
        self._say(words("stop"))

    def _tell_room(self, *, before: bool) -> bool:
        """Whether there is room on the disk; it is told when there is none any more."""
        free_mb = self._home.free_mb()
        if before and free_mb < LOW_MB:
            self._say(self._words("disk_low", folder=self._home.folder, free=free_mb))
        return free_mb >= LOW_MB

    def _tell_first_alarm(self) -> bool:
        found = self._watch.first_alarm(self._since_ns)
        if found is None or self._ready_s is None:
            return False
        cameras = {camera.id: camera for camera in self._watch.catalogue.cameras}
        camera = cameras.get(found.camera)
        rules = {rule.id: rule.name for rule in camera.rules} if camera else {}
        rule = rules.get(found.rule)
        name = getattr(rule, self._words.language, "") or found.rule
        where = getattr(camera.name, self._words.language, "") if camera else ""
        seconds = f"{time.monotonic() - self._ready_s:.1f}"
        said = self._words("first_alarm", name=name, camera=where or found.camera, seconds=seconds)
        self._say(said)
        return True

    def _restarted(self, child: Child, why: str) -> None:
        self._say(self._words("restarted", name=child.name, why=why))


def _made(options: DemoOptions, own: Own | None) -> dict[str, str]:
    """What a folder is made with, and must be started with again."""
    return ({} if own is None else own.given) | options.servers.given


def _pressed(faults: Faults, rest: str) -> dict[str, str]:
    """`{name}` or `{name}/{seconds}`."""
    name, _, seconds = rest.partition("/")
    if seconds and not seconds.isdigit():
        raise RefusedError("value.seconds", f"{seconds!r} are no seconds")
    faults.press(name, for_s=float(seconds) if seconds else None)
    return {"pressed": name}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310  # our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
