"""Stores batches in the order that the promise needs; holds on until each step has succeeded."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from haidang_cloud.blobs import Blobs
from haidang_cloud.errors import (
    LakeError,
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.ingest.taken import Taken
from haidang_cloud.lake import Archive
from haidang_cloud.state import ledger
from haidang_cloud.state.database import State
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.dirty import Window
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_protocols.wire.seqset import SeqSet

log = logging.getLogger(__name__)

BACKOFF_MAX_S = 5.0
MISCONFIGURED_S = 10.0
TOLD_WAIT_S = 1.0

_Failure = LakeError | StateUnavailableError | StoreMisconfiguredError | StoreUnavailableError


@dataclass(slots=True)
class Batch:
    """Messages that are stored together.

    Attributes:
        told: each is set once the alarms that it stands for are in the outbox.
        refused: what the time series will never take.
        bytes: of all payloads.
    """

    taken: Taken = field(default_factory=Taken)
    acks: list[tuple[int, int]] = field(default_factory=list)
    told: list[threading.Event] = field(default_factory=list)
    refused: list[Letter] = field(default_factory=list)
    begun_s: float = 0.0
    bytes: int = 0

    @property
    def load(self) -> int:
        """What it counts for the bound of the queue: its records, and each message beside."""
        return self.taken.records + len(self.acks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that a batch goes into."""

    centre: str
    state: State
    series: TimeSeries
    archive: Archive
    blobs: Blobs
    keep_pictures_ns: int


@dataclass(slots=True)
class _Work:
    """A batch on its way, and what the ledger says in the end."""

    batch: Batch
    merged: dict[SpoolKey, SeqSet] = field(default_factory=dict)


class Writer:
    """One batch at a time; `trouble` says what it is waiting for, empty when nothing."""

    def __init__(
        self,
        stores: Stores,
        *,
        now_ns: Callable[[], int],
        wait: Callable[[float], bool],
    ) -> None:
        """`wait(seconds)` sleeps and returns True when the worker must give up."""
        self._stores, self._now_ns, self._wait = stores, now_ns, wait
        self._bucket = private_bucket(stores.centre)
        self._steps = (self._archive, self._pictures, self._write, self._alarms, self._commit)
        self._ensured = False
        self._since_s: float | None = None
        self.trouble = ""

    def busy_s(self) -> float:
        """For how long the batch in hand has been in hand."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def store(self, batch: Batch) -> dict[SpoolKey, SeqSet] | None:
        """Store all of a batch; returns what each spool has stored, None when it gave up."""
        work = _Work(batch)
        self._since_s = time.monotonic()
        for step in self._steps:
            tries = 0
            while (failure := _failure(step, work)) is not None:
                self._say(str(failure))
                if self._wait(_pause_s(failure, tries)):
                    return None
                tries += 1
        if self.trouble:
            log.warning("storing again")
        self._since_s, self.trouble = None, ""
        return work.merged

    def _say(self, why: str) -> None:
        if why != self.trouble:
            log.error("nothing can be stored: %s", why)
        self.trouble = why

    # --- the steps, in their order; each may be repeated ------------------------------------

    def _archive(self, work: _Work) -> None:
        if work.batch.taken.frames:
            self._stores.archive.append(work.batch.taken.frames)

    def _pictures(self, work: _Work) -> None:
        for picture in work.batch.taken.pictures:
            self._stores.blobs.put(
                picture.header.record,
                picture.jpeg,
                camera=picture.header.camera,
                now_ns=self._now_ns(),
                keep_ns=self._stores.keep_pictures_ns,
                crop=picture.header.crop,
            )

    def _write(self, work: _Work) -> None:
        taken = work.batch.taken
        if not self._ensured:
            self._stores.series.ensure(self._bucket)
            self._ensured = True
        for refusal in self._stores.series.write(self._bucket, taken.lines):
            origin = taken.origins[refusal.index]
            if origin is None:
                log.warning("a heartbeat's point was refused: %s", refusal.why)
                continue
            came, seq = origin
            work.batch.refused.append(
                Letter(
                    centre=self._stores.centre,
                    topic=came.topic,
                    reason="refused",
                    message=f"time series: {refusal.why}",
                    payload=came.raw(seq),
                    at_ns=self._now_ns(),
                    node=came.key.node,
                    spool=came.key.spool,
                    seq=seq,
                )
            )

    def _alarms(self, work: _Work) -> None:
        if not all(told.wait(TOLD_WAIT_S) for told in work.batch.told):
            raise StateUnavailableError("alarms wait for the outbox")

    def _commit(self, work: _Work) -> None:
        taken = work.batch.taken
        letters = taken.letters + work.batch.refused
        windows = [
            Window(dataset=dataset, place=place, from_ns=low, to_ns=high)
            for (dataset, place), (low, high) in taken.windows.items()
        ]
        if not (taken.stored or letters or taken.births or windows):
            return
        work.merged = ledger.commit(
            self._stores.state,
            self._stores.centre,
            taken.stored,
            dead=letters,
            windows=windows,
            births=taken.births,
            now_ns=self._now_ns(),
        )


def _failure(step: Callable[[_Work], None], work: _Work) -> _Failure | None:
    try:
        step(work)
    except (
        LakeError,
        StateUnavailableError,
        StoreMisconfiguredError,
        StoreUnavailableError,
    ) as error:
        return error
    return None


def _pause_s(failure: _Failure, tries: int) -> float:
    if isinstance(failure, StoreMisconfiguredError):
        return MISCONFIGURED_S
    asked_s = failure.retry_after_s if isinstance(failure, StoreUnavailableError) else 0.0
    # full jitter, so that many workers do not come back at once
    most_s = min(BACKOFF_MAX_S, 0.1 * 2 ** min(tries, 10))
    return max(asked_s, random.uniform(0.02, most_s))  # noqa: S311
