"""`haidang catalog export`: a published version as the files that it came from.

What was published on the wall is brought back to the files of a desk by it, and to a node, which
says the number in `VERSION` to be what it runs.
"""

from pathlib import Path

from haidang_cloud.errors import RefusedError
from haidang_cloud.processes.config import load_config, state_of
from haidang_cloud.state import versions
from haidang_cloud.state.versions import Version


def run(config_path: Path, out: Path, *, number: int | None = None) -> Version:
    """Write the version in force, or that of a number, into a folder; raises `UserError`."""
    config = load_config(config_path)
    state = state_of(config)
    try:
        version = (
            versions.newest(state, config.centre)
            if number is None
            else versions.read(state, config.centre, number)
        )
    finally:
        state.close()
    if version is None:
        which = "no version yet" if number is None else f"no version {number}"
        raise RefusedError("unknown", f"centre {config.centre!r} has {which}")
    _write(version, out)
    return version


def _write(version: Version, out: Path) -> None:
    """Replace the files of the version, and leave no other one that would count with them."""
    there = {str(path.relative_to(out)) for path in out.rglob("*.yaml")}
    if strange := sorted(there - set(version.texts)):
        raise RefusedError(
            "conflict",
            f"--out {out}: {strange[0]} is not in version {version.number} and would count as a "
            "part of it; give an empty folder, or one with the same files",
        )
    try:
        for name, text in version.texts.items():
            path = out / name
            if not path.resolve().is_relative_to(out.resolve()):
                raise RefusedError("value", f"version {version.number}: {name!r} leads elsewhere")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        # the last one: a node reads it first
        (out / "VERSION").write_text(f"{version.number}\n", encoding="ascii")
    except OSError as error:
        raise RefusedError("value", f"--out {out}: {error.strerror}") from error
