"""The catalogue in force, as a running process sees it: swapped whole, the last good one kept."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from haidang_cloud.errors import CloudConfigError, StateUnavailableError
from haidang_cloud.processes.config import CloudConfig
from haidang_cloud.state import versions
from haidang_cloud.state.database import State
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load, load_texts

log = logging.getLogger(__name__)

POLL_S = 2.0
_T = TypeVar("_T")


def in_force_now(state: State, config: CloudConfig, make: Callable[[Catalogue, int], _T]) -> _T:
    """Something made of the last good version, or of the configuration's file for a first start.

    Raises `CloudConfigError` when there is neither.
    """
    for number in range(versions.newest_number(state, config.centre), 0, -1):
        version = versions.read(state, config.centre, number)
        catalogue = None if version is None else _read(version)
        if catalogue is not None:
            return make(catalogue, number)
    return make(first_catalogue(config), 0)


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
        return load_texts(version.texts)
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
    ) -> None:
        """Load what is in force, and watch for what comes after it."""
        self._state, self._make, self._centre = state, make, config.centre
        self._stop = threading.Event()
        self._tried = versions.newest_number(state, config.centre)
        self._current = in_force_now(state, config, make)
        self._thread = threading.Thread(target=self._watch, name="catalogue", daemon=True)
        self._thread.start()

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
            log.info("catalogue version %d is in force", version.number)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()
