"""`haidang cloud setup`: brings the schema up to date and tells what is ready and what is missing.

What is not there yet is made where that is the centre's own to make (schema, folders, buckets);
the rest is said in one line each, with what to do.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from haidang_cloud.broker import reach
from haidang_cloud.errors import CloudConfigError, LakeError
from haidang_cloud.people import Accounts
from haidang_cloud.processes.catalogue import in_force_now
from haidang_cloud.processes.config import (
    CloudConfig,
    broker_of,
    load_config,
    series_of,
    state_of,
)
from haidang_cloud.processes.first import first_link
from haidang_cloud.state import State, versions
from haidang_cloud.timeseries.projection import ensure_buckets
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.errors import HaidangError

MISSING = 1


def run(config_path: Path) -> int:
    """Check everything, in the order in which it is needed; 1 when something is missing."""
    config = load_config(config_path)
    state = state_of(config)
    try:
        return _run(config, state)
    finally:
        state.close()


def _run(config: CloudConfig, state: State) -> int:
    kind = "PostgreSQL" if state.postgres else "SQLite"
    _say("ready", "database", f"{kind}, schema up to date")
    found: list[Catalogue] = []
    ready = [
        _check("catalogue", lambda: _catalogue(config, state, found)),
        _check("time series", lambda: _series(config, found)),
        _check("lake", lambda: _folder(Path(config.lake))),
        _check("pictures", lambda: _folder(Path(config.blobs))),
        _check("broker", lambda: _broker(config)),
        _check("audit", lambda: _audit(config)),
    ]
    if found:
        _administrator(config, state, found[0])
    return 0 if all(ready) else MISSING


def _say(word: str, what: str, text: str) -> None:
    sys.stdout.write(f"{word:<8} {what:<14} {text}\n")


def _check(what: str, look: Callable[[], str]) -> bool:
    try:
        text = look()
    except HaidangError as error:
        _say("MISSING", what, str(error))
        return False
    _say("ready", what, text)
    return True


def _catalogue(config: CloudConfig, state: State, found: list[Catalogue]) -> str:
    catalogue, number = in_force_now(state, config, lambda catalogue, number: (catalogue, number))
    found.append(catalogue)
    if number:
        version = versions.newest(state, config.centre)
        by = f" by {version.by}: {version.why}" if version else ""
        return f"version {number}{by}"
    return f"{config.catalogue}, not published yet: run `haidang catalog apply`"


def _series(config: CloudConfig, found: list[Catalogue]) -> str:
    if not found:
        raise CloudConfigError("waits for the catalogue, which names the scopes")
    series = series_of(config)
    try:
        ensure_buckets(series, found[0])
    finally:
        series.close()
    return f"a bucket for each of {len(found[0].scopes)} scopes"


def _folder(path: Path) -> str:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LakeError(f"{path}: cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise LakeError(f"{path}: cannot be written by this user")
    return str(path)


def _broker(config: CloudConfig) -> str:
    settings = broker_of(config, process="worker.w1")
    reach(settings)
    return f"{settings.host}:{settings.port}" + (", plain" if settings.plain else ", TLS 1.3")


def _audit(config: CloudConfig) -> str:
    if config.audit_head is None:
        raise CloudConfigError(
            "no anchors: name a file under `audit_head`, best where the database's administrator "
            "cannot write"
        )
    return f"anchored in {config.audit_head}"


def _administrator(config: CloudConfig, state: State, catalogue: Catalogue) -> None:
    link = first_link(config, Accounts(state, config.centre), catalogue)
    if link is None:
        _say("ready", "administrator", "somebody can log in who manages people")
        return
    _say("MISSING", "administrator", "open this link within a day; it counts once (older ones end)")
    sys.stdout.write(f"{'':<24}{link}\n")
