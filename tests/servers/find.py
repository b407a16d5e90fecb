"""Where the servers are that system tests need; nothing here installs or starts anything."""

import os
import shutil
from pathlib import Path

POSTGRES_HOMES = Path("/usr/lib/postgresql")
REPOSITORY = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """Where built servers are kept between runs, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "haidang" / "bin"


def program(name: str) -> Path | None:
    """A server program: HAIDANG_<NAME>, search path, system's and user's folders, the cache."""
    named = os.environ.get(f"HAIDANG_{name.upper()}")
    if named:
        return Path(named) if Path(named).is_file() else None
    own = str(Path.home() / ".local" / "bin")
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", own]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is not None:
        return Path(found)
    kept = cache() / name
    return kept if kept.is_file() else None


def postgres_bin() -> Path | None:
    """The folder with `initdb` and `postgres`, version 15 or newer."""
    homes = [h for h in POSTGRES_HOMES.glob("*") if h.name.isdigit() and int(h.name) >= 15]
    for home in sorted(homes, key=lambda h: int(h.name), reverse=True):
        if (home / "bin" / "initdb").is_file():
            return home / "bin"
    return None


def data() -> Path | None:
    """Real pictures, clips and models: HAIDANG_TEST_DATA, else `shared/data` beside the clone."""
    named = os.environ.get("HAIDANG_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return folder if (folder / "models").is_dir() else None
