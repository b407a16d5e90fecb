"""Stores batches in the order that the promise needs; holds on until each step has succeeded."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from haidang_cloud.blobs import Blobs
from haidang_cloud.errors import (
    LakeError,
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.ingest.judge import Taken
from haidang_cloud.lake import Archive
from haidang_cloud.state import ledger
from haidang_cloud.state.database import State
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.dirty import Window
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.projection import DATASET
from haidang_protocols.wire.seqset import SeqSet

log = logging.getLogger(__name__)

BACKOFF_MAX_S = 5.0
MISCONFIGURED_S = 10.0


@dataclass(slots=True)
class Batch:
    """Messages that are stored together; `told` is set once their alarms are in the outbox."""

    taken: Taken = field(default_factory=Taken)
    acks: list[tuple[int, int]] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)
    begun_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that a batch goes into."""

    centre: str
    state: State
    series: TimeSeries
    archive: Archive
    blobs: Blobs
    keep_pictures_ns: int


class Writer:
    """One batch at a time; `trouble` says what it is waiting for, empty when nothing."""

    def __init__(
        self,
        stores: Stores,
        *,
        now_ns: Callable[[], int],
        wait: Callable[[float], bool],
    ) -> None:
        """`wait(seconds)` sleeps and returns True when the worker is told to stop."""
        self._stores, self._now_ns, self._wait = stores, now_ns, wait
        self._bucket = private_bucket(stores.centre)
        self.trouble = ""

    def store(self, batch: Batch) -> dict[SpoolKey, SeqSet] | None:
        """Store all of a batch; returns what each spool has stored, None when told to stop."""
        archived = written = False
        letters: list[Letter] = list(batch.taken.letters)
        tries = 0
        while True:
            try:
                if not archived:
                    self._archive(batch.taken)
                    archived = True
                if not written:
                    letters += self._write(batch.taken)
                    written = True
                if not batch.told.wait(0.01) and self._until_told(batch):
                    return None
                merged = self._commit(batch.taken, letters)
            except StoreMisconfiguredError as error:
                pause_s, why = MISCONFIGURED_S, str(error)
            except (StoreUnavailableError, StateUnavailableError, LakeError) as error:
                # full jitter, so that many workers do not come back at once
                most_s = min(BACKOFF_MAX_S, 0.1 * 2 ** min(tries, 10))
                asked_s = getattr(error, "retry_after_s", 0.0)
                pause_s, why = max(asked_s, random.uniform(0.02, most_s)), str(error)  # noqa: S311
            else:
                if self.trouble:
                    log.warning("storing again")
                self.trouble = ""
                return merged
            tries += 1
            if why != self.trouble:
                log.error("nothing can be stored: %s", why)
            self.trouble = why
            if self._wait(pause_s):
                return None

    def _until_told(self, batch: Batch) -> bool:
        """Wait for the batch's alarms to be in the outbox; True when told to stop."""
        return any(self._wait(0.05) for _ in iter(batch.told.is_set, True))

    def _archive(self, taken: Taken) -> None:
        if taken.frames:
            self._stores.archive.append(taken.frames)
        for picture in taken.pictures:
            self._stores.blobs.put(
                picture.header.record,
                picture.jpeg,
                camera=picture.header.camera,
                now_ns=self._now_ns(),
                keep_ns=self._stores.keep_pictures_ns,
            )

    def _write(self, taken: Taken) -> list[Letter]:
        letters = []
        for refusal in self._stores.series.write(self._bucket, taken.lines):
            origin = taken.origins[refusal.index]
            if origin is None:
                log.warning("a heartbeat's point was refused: %s", refusal.why)
                continue
            letters.append(
                Letter(
                    centre=self._stores.centre,
                    topic=origin.topic,
                    reason="refused",
                    message=f"time series: {refusal.why}",
                    payload=bytes(origin.raw),
                    at_ns=self._now_ns(),
                    node=origin.key.node,
                    spool=origin.key.spool,
                    seq=origin.seq,
                )
            )
        return letters

    def _commit(self, taken: Taken, letters: list[Letter]) -> dict[SpoolKey, SeqSet]:
        windows = [
            Window(dataset=DATASET, place=place, from_ns=low, to_ns=high)
            for place, (low, high) in taken.windows.items()
        ]
        if not (taken.stored or letters or taken.births):
            return {}
        return ledger.commit(
            self._stores.state,
            self._stores.centre,
            taken.stored,
            dead=letters,
            windows=windows,
            births=taken.births,
            now_ns=self._now_ns(),
        )
