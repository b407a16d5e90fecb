"""Sets the demo up by the commands of an installation, then starts its processes."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from haidang_cloud.demo import programs
from haidang_cloud.demo.children import Crew
from haidang_cloud.demo.cord import Cord
from haidang_cloud.demo.home import CENTRE, NODE, Home, Ports
from haidang_cloud.demo.progress import Progress
from haidang_cloud.demo.servers import Servers

BY = "demo"
SERVICES = (("ingest", "w1"), ("worker", "w1"), ("console", "c1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """What the demo shows: a catalogue, text by file name, and the models that it needs."""

    texts: Mapping[str, str]
    models: tuple[str, ...]
    cameras: int


class SettingUp:
    """See the module."""

    def __init__(
        self,
        home: Home,
        ports: Ports,
        crew: Crew,
        progress: Progress,
        *,
        servers: Servers,
        mosquitto: str,
        console: bool,
        made: Mapping[str, str],
    ) -> None:
        """Set up `home`; `mosquitto` is the program, `console` says that there is one to start.

        `made` are the options that the next demo in this folder must have, too.
        """
        self._made = made
        self._home, self._ports, self._crew, self._servers = home, ports, crew, servers
        self._progress, self._console = progress, console
        self._haidang, self._mosquitto = programs.haidang(), mosquitto

    def run(self, shows: Shows) -> Cord:
        """All of it, the second time only what is not there yet; returns the node's link."""
        home, step = self._home, self._progress.step
        home.write_configs(
            self._ports,
            self._servers,
            language=self._progress.words.language,
            haidang=self._haidang,
            console=self._console,
        )
        home.catalogue.mkdir(exist_ok=True)
        if not home.again:
            for name, text in shows.texts.items():
                (home.catalogue / name).write_text(text, encoding="utf-8")
        with step("step_authority"):
            self._authority()
        with step("step_broker"):
            self._broker()
        if not home.again:
            for model in shows.models:
                with step("step_model", model=model):
                    self._run("node", "models", "add", model, "--models", str(home.models))
            with step("step_enrol", node=NODE):
                self._enrol()
            with step("step_catalogue", cameras=shows.cameras):
                self._publish()
            if self._servers.grafana:
                with step("step_boards"):
                    self._boards()
        cord = Cord(self._ports.broker)
        home.lead_node_to(cord.port)
        home.mark(self._made)
        return cord

    def start(self) -> None:
        """The centre's processes and the node."""
        centre = str(self._home.centre_file)
        with self._progress.step("step_start"):
            start, haidang = self._crew.start, self._haidang
            start("ingest", haidang, "cloud", "ingest", "--config", centre)
            start("worker", haidang, "cloud", "worker", "--config", centre)
            if self._console:
                start("console", haidang, "cloud", "serve", "console", "--config", centre)
            start("api", haidang, "cloud", "serve", "api", "--config", centre)
            node = str(self._home.node_file)
            unset = str(self._home.unset_clock)
            start("node", haidang, "node", "rehearse", "--config", node, "--unset-clock", unset)

    # --- steps ------------------------------------------------------------------------------

    def _run(self, *words: str, stdin: str = "") -> str:
        return self._progress.run(self._haidang, *words, stdin=stdin)

    def _fleet(self, *words: str) -> str:
        return self._run("fleet", *words, "--config", str(self._home.fleet_file), "--by", BY)

    def _authority(self) -> None:
        if not self._home.again:
            self._fleet("ca", "make")
            for kind, name in SERVICES:
                self._fleet("service", kind, "--centre", CENTRE, "--name", name, "--offline")
        self._fleet("broker", "config", "--catalogue", str(self._home.catalogue))

    def _broker(self) -> None:
        child = self._crew.start("broker", self._mosquitto, "-c", str(self._home.broker_conf))
        self._progress.wait(lambda: listens(self._ports.broker), child, timeout_s=30)

    def _enrol(self) -> None:
        """The node asks for its certificate as any node does: with a token, over HTTPS."""
        home, port = self._home, self._ports.enrolment
        home.write_node()
        service = self._crew.start(
            "enrolment", self._haidang, "fleet", "serve", "--config", str(home.fleet_file)
        )
        token = self._fleet("token", NODE, "--catalogue", str(home.catalogue))
        self._progress.wait(lambda: listens(port), service)
        url = f"https://localhost:{port}"
        tls, node = str(home.tls), str(home.node_file)
        words = ("node", "enrol", "--url", url, "--token", "-", "--dir", tls, "--write", node)
        self._run(*words, stdin=token)
        self._crew.retire("enrolment")

    def _publish(self) -> None:
        words = ("catalog", "apply", str(self._home.catalogue))
        config = ("--config", str(self._home.centre_file))
        self._run(*words, *config, "--by", BY, "--why", "demo")

    def _boards(self) -> None:
        language = self._progress.words.language
        where = ("--grafana", self._servers.grafana, "--datasources", str(self._home.data_sources))
        self._run("boards", "apply", str(self._home.catalogue), *where, "--language", language)


def listens(port: int) -> bool:
    """Whether something accepts connections there on loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
