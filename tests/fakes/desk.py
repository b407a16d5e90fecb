"""A folder with a centre's configuration and catalogue, and the commands that a person gives it."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from haidang_cloud.processes import apply

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal" / "centre.yaml"
STOP_S = 40.0


@dataclass(frozen=True)
class Process:
    """A `haidang` process, and what it says."""

    popen: subprocess.Popen[bytes]
    log: Path


class Desk:
    """See the module; the catalogue is a copy of the minimal one, to be changed."""

    def __init__(self, folder: Path, state_url: str, **config: Any) -> None:
        self.folder = folder
        self.config_path = folder / "centre.yaml"
        self.catalogue = folder / "catalogue"
        self.catalogue.mkdir(parents=True)
        self._processes: list[Process] = []
        (self.catalogue / "centre.yaml").write_text(MINIMAL.read_text())
        self.configure(
            centre="demo",
            state=state_url,
            timeseries={"kind": "sqlite", "path": "series.sqlite"},
            lake="lake",
            blobs="blobs",
            **config,
        )

    def configure(self, **config: Any) -> None:
        """Set keys of the configuration."""
        known = yaml.safe_load(self.config_path.read_text()) if self.config_path.is_file() else {}
        self.config_path.write_text(yaml.safe_dump({**known, **config}))

    def change(self, old: str, new: str) -> None:
        """Change the catalogue's text."""
        path = self.catalogue / "centre.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def apply(
        self, *, by: str = "an", why: str = "a test", even_if_it_empties: bool = False
    ) -> apply.Applied:
        """Bring the catalogue into force."""
        return apply.run(
            self.config_path,
            self.catalogue,
            by=by,
            why=why,
            even_if_it_empties=even_if_it_empties,
        )

    def start(self, *words: str) -> Process:
        """Start a process of the centre."""
        log = self.folder / f"{'-'.join(words)}.log"
        command = [str(Path(sys.executable).with_name("haidang")), *words]
        with log.open("ab") as out:
            popen = subprocess.Popen(
                [*command, "--config", str(self.config_path)], stdout=out, stderr=out
            )
        self._processes.append(Process(popen, log))
        return self._processes[-1]

    def end(self, process: Process) -> int:
        """Ask a process to end, and say with what it did."""
        process.popen.send_signal(signal.SIGTERM)
        try:
            return process.popen.wait(STOP_S)
        finally:
            process.popen.kill()
            process.popen.wait()

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes:
            process.popen.kill()
            process.popen.wait()
