"""The catalogue in force, as a running process sees it: swapped whole, the last good one kept."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from haidang_cloud.errors import CloudConfigError, StateUnavailableError
from haidang_cloud.processes.config import CloudConfig
from haidang_cloud.processes.kept import KeptVersion
from haidang_cloud.state import versions
from haidang_cloud.state.database import State
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load

log = logging.getLogger(__name__)

POLL_S = 2.0
_T = TypeVar("_T")


def in_force_now(state: State, config: CloudConfig, make: Callable[[Catalogue, int], _T]) -> _T:
    """Something made of the last good version, or of the configuration's file for a first start.

    Raises `CloudConfigError` when there is neither.
    """
    made, _ = _in_force(state, config, make)
    return made


def _in_force(
    state: State, config: CloudConfig, make: Callable[[Catalogue, int], _T]
) -> tuple[_T, versions.Version | None]:
    for number in range(versions.newest_number(state, config.centre), 0, -1):
        version = versions.read(state, config.centre, number)
        catalogue = None if version is None else _read(version)
        if catalogue is not None:
            return make(catalogue, number), version
    return make(first_catalogue(config), 0), None


def first_catalogue(config: CloudConfig) -> Catalogue:
    """The catalogue in the file that counts until the first one is applied."""
    if config.catalogue is None:
        raise CloudConfigError(
            f"centre {config.centre!r} has no catalogue in force: run "
            "`haidang catalog apply`, or name one under `catalogue` for a first start"
        )
    catalogue = load(Path(config.catalogue))
    if catalogue.centre.id != config.centre:
        raise CloudConfigError(
            f"the catalogue is of centre {catalogue.centre.id!r}, "
            f"the configuration of {config.centre!r}"
        )
    return catalogue


def _read(version: versions.Version) -> Catalogue | None:
    try:
        return version.catalogue()
    except CatalogueRefusedError as error:
        # it was checked when it was published, but by another version of Haidang
        log.error("version %d is left out, the last good one stays: %s", version.number, error)  # noqa: TRY400  # a person's mistake, not ours
    return None


class InForce(Generic[_T]):
    """Something made of the newest published catalogue; `current` never waits.

    A version that cannot be read is logged once, and the one before stays.
    """

    def __init__(
        self,
        state: State,
        config: CloudConfig,
        make: Callable[[Catalogue, int], _T],
        *,
        kept: KeptVersion | None = None,
    ) -> None:
        """Load what is in force, and watch for what comes after it.

        With `kept` each version in force is kept there, and while the database is away the one
        that was kept last counts. Raises `StateUnavailableError` when there is none.
        """
        self._state, self._make, self._centre, self._kept = state, make, config.centre, kept
        self._stop = threading.Event()
        try:
            self._tried = versions.newest_number(state, config.centre)
            self._current, version = _in_force(state, config, make)
        except StateUnavailableError as error:
            found = self._from_kept(error)
            if found is None:
                raise
            # whatever the database has is news when it is back
            self._tried, self._current = 0, found
        else:
            self._keep(version)
        self._thread = threading.Thread(target=self._watch, name="catalogue", daemon=True)
        self._thread.start()

    def _from_kept(self, why: StateUnavailableError) -> _T | None:
        version = None if self._kept is None else self._kept.read()
        catalogue = None if version is None else _read(version)
        if version is None or catalogue is None:
            return None
        log.warning("%s; going on with the catalogue kept, version %d", why, version.number)
        return self._make(catalogue, version.number)

    def _keep(self, version: versions.Version | None) -> None:
        if self._kept is not None and version is not None:
            self._kept.write(version)

    def current(self) -> _T:
        """What is in force now."""
        return self._current

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self._look()
            except StateUnavailableError as error:
                log.warning("the catalogue cannot be looked up: %s", error)

    def _look(self) -> None:
        if versions.newest_number(self._state, self._centre) <= self._tried:
            return
        version = versions.newest(self._state, self._centre)
        if version is None:
            return
        self._tried = version.number
        catalogue = _read(version)
        if catalogue is not None:
            self._current = self._make(catalogue, version.number)
            self._keep(version)
            log.info("catalogue version %d is in force", version.number)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()
