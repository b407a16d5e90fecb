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


class InForce(Generic[_T]):
    """Something made of the newest published catalogue; `current` never waits.

    A version that cannot be read (it was checked when it was published, but by another version of
    Haidang) is logged once, and the one before stays.
    """

    def __init__(
        self,
        state: State,
        config: CloudConfig,
        make: Callable[[Catalogue, int], _T],
    ) -> None:
        """Load what is in force, or the file that the configuration names for a first start."""
        self._state, self._make, self._centre = state, make, config.centre
        self._stop = threading.Event()
        self._tried = 0
        found = self._load()
        if found is None:
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
            found = make(catalogue, 0)
        self._current = found
        self._thread = threading.Thread(target=self._watch, name="catalogue", daemon=True)
        self._thread.start()

    def current(self) -> _T:
        """What is in force now."""
        return self._current

    def _load(self) -> _T | None:
        version = versions.newest(self._state, self._centre)
        if version is None:
            return None
        self._tried = version.number
        return self._make(load_texts(version.texts), version.number)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                if versions.newest_number(self._state, self._centre) <= self._tried:
                    continue
                fresh = self._load()
            except StateUnavailableError as error:
                log.warning("the catalogue cannot be looked up: %s", error)
            except CatalogueRefusedError as error:
                log.error("version %d is left out, the last good one stays: %s", self._tried, error)  # noqa: TRY400  # a person's mistake, not ours
            else:
                if fresh is not None:
                    log.info("catalogue version %d is in force", self._tried)
                    self._current = fresh

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()
