"""`haidang catalog apply`: a checked catalogue comes into force, and everything follows it.

The version, its audit line and its people stand or fall together. What lies outside of the database
(buckets, data sources, the broker's roles) follows; each may be repeated, so that after a failure
the same command finishes the work and makes no second version.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haidang_cloud.errors import (
    CloudConfigError,
    LakeError,
    RefusedError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.people import Accounts, audit
from haidang_cloud.processes.changes import check_whole, counted, emptied
from haidang_cloud.processes.config import (
    CloudConfig,
    InfluxConfig,
    load_config,
    series_of,
    state_of,
)
from haidang_cloud.processes.files import write_private
from haidang_cloud.state import versions
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import scope_bucket
from haidang_cloud.timeseries.projection import ensure_buckets
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.loader import read_texts
from haidang_protocols.errors import UserError
from haidang_protocols.wire.names import check_name

ROLES_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply did; `fresh` is false when this very catalogue was in force already.

    `changes` counts what is in it, and what was before.
    """

    number: int
    fresh: bool
    changes: str
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataSource:
    """How a scope's boards reach its bucket; InfluxQL calls a bucket a database."""

    url: str
    org: str
    bucket: str
    database: str
    token: str


class EmptyingError(UserError):
    """A version would end what works, and nobody said that it is meant."""


class UnfinishedError(UserError):
    """A version is in force, but something did not follow it."""


def run(
    config_path: Path,
    catalogue_path: Path,
    *,
    by: str,
    why: str,
    even_if_it_empties: bool = False,
) -> Applied:
    """Check, publish, and let all that depends on it follow; raises `UserError`."""
    config = load_config(config_path)
    check_name(by, what="--by")
    if not why.strip():
        raise UserError("--why is empty: say in a few words why this comes into force")
    check_whole(catalogue_path)
    texts = read_texts(catalogue_path)
    catalogue = load_texts(texts)
    if catalogue.centre.id != config.centre:
        raise CloudConfigError(
            f"the catalogue is of centre {catalogue.centre.id!r}, "
            f"the configuration of {config.centre!r}"
        )
    state = state_of(config)
    series = series_of(config)
    try:
        before = versions.newest(state, config.centre)
        known = None if before is None else _declared(before)
        changes = counted(known, catalogue)
        if known is not None and not even_if_it_empties:
            _check_losses(Accounts(state, config.centre), known, catalogue, changes=changes)
        number, fresh = publish(
            state,
            catalogue,
            texts,
            by=by,
            why=why.strip(),
            after=0 if before is None else before.number,
        )
        done = _follow(config, series, catalogue, number)
        return Applied(number=number, fresh=fresh, changes=changes, done=done)
    finally:
        series.close()
        state.close()


def _declared(version: versions.Version) -> Catalogue | None:
    """What a version declares; None where this Haidang cannot read it, and can compare nothing."""
    try:
        return version.catalogue()
    except CatalogueRefusedError:
        return None


def _check_losses(accounts: Accounts, before: Catalogue, after: Catalogue, *, changes: str) -> None:
    """Raise `EmptyingError` when nobody could let people in any more, or a node would go blind."""
    losses = list(emptied(before, after))
    if accounts.managers(before) and not accounts.managers(after):
        losses.insert(0, "nobody would hold people.manage in the whole centre any more")
    if losses:
        told = "\n  ".join(losses)
        raise EmptyingError(
            f"nothing came into force: {changes}\n  {told}\n"
            "is that the whole catalogue? If it is meant, give --even-if-it-empties as well"
        )


def publish(
    state: State, catalogue: Catalogue, texts: Mapping[str, str], *, by: str, why: str, after: int
) -> tuple[int, bool]:
    """One transaction: version, people, audit line. Returns the number, and whether it is new.

    Raises `RefusedError` when it would not follow version `after`, which it was compared with.
    """
    centre, now_ns = catalogue.centre.id, time.time_ns()
    accounts = Accounts(state, centre)
    with state.write() as connection:
        number, fresh = versions.put(
            state, connection, catalogue, texts, by=by, why=why, now_ns=now_ns
        )
        if fresh and number != after + 1:
            raise RefusedError(
                "conflict",
                f"version {number - 1} was published meanwhile; give the same command again",
            )
        if fresh:
            accounts.synchronise(connection, catalogue, now_ns)
            audit.write(
                state,
                connection,
                centre,
                actor=by,
                action="catalogue.publish",
                about=f"catalogue/{number}",
                detail={"why": why, "sha256": versions.digest(texts)},
                now_ns=now_ns,
            )
    return number, fresh


def _follow(
    config: CloudConfig, series: TimeSeries, catalogue: Catalogue, number: int
) -> tuple[str, ...]:
    steps: dict[str, Callable[[], str]] = {
        "buckets": lambda: _buckets(series, catalogue),
        "data sources": lambda: _data_sources(config, series, catalogue),
        "broker roles": lambda: _roles(config.broker_roles, catalogue),
    }
    done, failed = [], []
    for name, step in steps.items():
        try:
            done.append(step())
        except (
            StoreUnavailableError,
            StoreMisconfiguredError,
            LakeError,
            UserError,
            OSError,
        ) as error:
            failed.append(f"{name}: {error}")
    if failed:
        told = "\n  ".join(failed)
        raise UnfinishedError(
            f"version {number} is in force, but not all of it has followed; mend this and give the "
            f"same command again:\n  {told}"
        )
    return tuple(done)


def _buckets(series: TimeSeries, catalogue: Catalogue) -> str:
    ensure_buckets(series, catalogue)
    return f"buckets of {len(catalogue.scopes)} scopes are there"


def _data_sources(config: CloudConfig, series: TimeSeries, catalogue: Catalogue) -> str:
    if config.datasources is None:
        return "no data sources: `datasources` names no file"
    if not isinstance(config.timeseries, InfluxConfig):
        return "no data sources: the time series are a file, which boards cannot read"
    found = {}
    for scope in catalogue.scopes:
        bucket = scope_bucket(config.centre, scope.id)
        found[scope.id] = DataSource(
            url=config.timeseries.url,
            org=config.timeseries.org,
            bucket=bucket,
            database=bucket,
            token=series.read_token(bucket),
        )
    path = Path(config.datasources)
    write_private(path, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    return f"data sources of {len(found)} scopes are in {path}"


def _roles(command: tuple[str, ...], catalogue: Catalogue) -> str:
    if not command:
        return "the broker's roles are as they were: `broker_roles` names no command"
    try:
        ended = subprocess.run(  # noqa: S603  # the configuration's own command, no shell
            command,
            input=msgspec.json.encode(catalogue),
            capture_output=True,
            timeout=ROLES_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} took longer than {ROLES_TIMEOUT_S:g} s") from error
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip()[-1000:] or "nothing"
        raise UserError(f"{' '.join(command)} ended with {ended.returncode} and said: {said}")
    return "the broker's roles follow the catalogue"
