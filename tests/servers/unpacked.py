"""A server out of the system's packages for somebody who may not install any.

The package and what it needs are downloaded as apt does it, and unpacked into ~/.local: the program
and its libraries into ~/.local/lib/NAME, a starter into ~/.local/bin. Nothing else is touched; to
undo it, delete both.
"""

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

NEEDED = ("apt-get", "dpkg-deb")
_INSTALLS = re.compile(r"^Inst (\S+)", re.MULTILINE)


def unpack(name: str) -> str:
    """Unpack the package `name`, whose program has its name; returns why not, empty when done."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        return f"unpacking it needs {', '.join(missing)}"
    with tempfile.TemporaryDirectory(prefix="haidang-") as folder:
        why = _download(name, Path(folder))
        if why:
            return why
        tree = Path(folder) / "tree"
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", str(package), str(tree)], check=True)
        return _settle(name, tree, Path.home() / ".local")


def _download(name: str, folder: Path) -> str:
    """The package and whatever of its dependencies is not installed."""
    plan = _said("apt-get", "install", "--simulate", "-y", "--no-install-recommends", name)
    packages = sorted({name, *_INSTALLS.findall(plan.stdout)})
    done = _said("apt-get", "download", *packages, folder=folder)
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else f"apt-get download failed: {lines[-1] if lines else ''}"


def _said(*command: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _settle(name: str, tree: Path, local: Path) -> str:
    """Put program, libraries and starter where they stay."""
    program = next((p for p in tree.glob(f"usr/*bin/{name}") if p.is_file()), None)
    if program is None:
        return f"there is no program {name} in the package {name}"
    home, starter = local / "lib" / name, local / "bin" / name
    for folder in (home, starter.parent):
        folder.mkdir(parents=True, exist_ok=True)
    for found in (program, *tree.glob("usr/lib/*/*.so*"), *tree.glob("lib/*/*.so*")):
        target = home / found.name
        target.unlink(missing_ok=True)
        shutil.move(found, target)
    where = shlex.quote(str(home))
    starter.write_text(
        "#!/bin/sh\n# written by Haidang: starts what lies in that folder\n"
        f"export LD_LIBRARY_PATH={where}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n"
        f'exec {where}/{name} "$@"\n'
    )
    starter.chmod(0o755)
    tried = _said(str(starter), "-h")
    return "" if name in tried.stdout + tried.stderr else f"{starter} does not run: {tried.stderr}"
