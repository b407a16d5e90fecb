"""Runs a process's jobs, each in a thread of its own: one that fails backs off, the others go on.

A leased job is done by one process of the centre at a time. Its lease is kept between two runs, so
that it goes on where it is; a process that dies loses it by time.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state import leases
from haidang_cloud.state.database import State
from haidang_protocols.errors import HaidangError

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 60.0
KEEP_S = 10.0
SECOND_NS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to be done again and again.

    Attributes:
        name: a word for log lines and the lease.
        run: does it once.
        every_s: pause between two runs; 0 for one that waits by itself.
        wanted: looks quickly whether there is anything to do, before a lease is taken.
        lease_s: longest time of a run for one that only one process may do at a time.
        backoff_max_s: longest pause after failures.
    """

    name: str
    run: Callable[[], object]
    every_s: float = 0.0
    wanted: Callable[[], bool] = lambda: True
    lease_s: float | None = None
    backoff_max_s: float = BACKOFF_MAX_S


class Jobs:
    """The jobs of one process."""

    def __init__(
        self,
        jobs: Sequence[Job],
        state: State,
        *,
        centre: str,
        holder: str,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare; leases are taken in the name of `holder`."""
        self._state, self._centre, self._holder = state, centre, holder
        self._now_ns = now_ns
        self._stop = threading.Event()
        self._trouble: dict[str, str] = {}
        self._jobs = jobs
        self._threads = [
            threading.Thread(target=self._serve, args=(job,), name=job.name, daemon=True)
            for job in jobs
        ]

    def start(self) -> None:
        """Begin all of them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what each is doing, and give the leases back."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for job in self._jobs:
            if job.lease_s is not None:
                self._give_back(job)

    @property
    def trouble(self) -> dict[str, str]:
        """What failed last, by name of the job; empty when all is well."""
        return dict(self._trouble)

    def _serve(self, job: Job) -> None:
        """Run a job until the process ends, whatever it raises."""
        fails = 0
        while not self._stop.is_set():
            try:
                self._once(job)
            except Exception as error:  # noqa: BLE001  # the one place: a job's fault ends no other
                pause_s = _pause_s(job, fails)
                fails += 1
                self._complain(job, error, pause_s)
            else:
                pause_s, fails = job.every_s, 0
                if self._trouble.pop(job.name, None) is not None:
                    log.warning("job %s works again", job.name)
            if pause_s:
                self._stop.wait(pause_s)

    def _once(self, job: Job) -> None:
        if not job.wanted():
            return
        if job.lease_s is None:
            job.run()
        elif self._lease(job, job.lease_s):
            job.run()
            self._lease(job, job.every_s + KEEP_S)

    def _lease(self, job: Job, for_s: float) -> bool:
        return leases.take(
            self._state,
            f"{job.name}:{self._centre}",
            self._holder,
            now_ns=self._now_ns(),
            for_ns=int(for_s * SECOND_NS),
        )

    def _give_back(self, job: Job) -> None:
        try:
            leases.give_back(self._state, f"{job.name}:{self._centre}", self._holder)
        except StateUnavailableError as error:
            log.warning("the lease of %s ends by time: %s", job.name, error)

    def _complain(self, job: Job, error: Exception, pause_s: float) -> None:
        """Say it once; the traceback only for what is no word of ours."""
        why = f"{type(error).__name__}: {error}"
        if self._trouble.get(job.name) != why:
            ours = isinstance(error, HaidangError)
            log.error(
                "job %s failed, again in %.1f s: %s",
                job.name,
                pause_s,
                error if ours else why,
                exc_info=None if ours else error,
            )
        self._trouble[job.name] = why


def _pause_s(job: Job, fails: int) -> float:
    most_s: float = min(job.backoff_max_s, BACKOFF_FIRST_S * 2 ** min(fails, 16))
    # half of it by chance, so that many workers do not come back at once
    return most_s * random.uniform(0.5, 1.0)  # noqa: S311
