"""Judges dead letters again, by the catalogue in force, and stores what can be taken now.

Through the same order of work as on receipt: outbox, archive, time series, ledger; so that to
replay twice is to store once. A letter is marked, with who did it, when all that is done.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from haidang_cloud.errors import StoreUnavailableError
from haidang_cloud.ingest.directory import Directory
from haidang_cloud.ingest.judge import Judge
from haidang_cloud.ingest.writer import Batch, Stores, Writer
from haidang_cloud.people import audit
from haidang_cloud.state import deadletter, outbox
from haidang_cloud.state.deadletter import Kept
from haidang_protocols.wire import topics
from haidang_protocols.wire.records import encode_batch
from haidang_protocols.wire.topics import NodeLeaf, NodeTopic


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a letter; `why` says what is still refused, or left out."""

    letter: Kept
    taken: bool
    why: str = ""


def replay(
    stores: Stores,
    directory: Directory,
    letters: Iterable[Kept],
    *,
    by: str,
    now_ns: Callable[[], int] = time.time_ns,
) -> Iterator[Replayed]:
    """Replay letters one by one, in the name of `by`.

    Raises `StoreUnavailableError` or `StateUnavailableError` when a store is away: what was yielded
    before is done, the rest is as it was.
    """
    desk = _Desk(stores, directory, by, now_ns)
    for letter in letters:
        if letter.replayed_ns is None:
            yield desk.replay(letter)
        else:
            yield Replayed(letter=letter, taken=False, why="it was replayed before")


class _Desk:
    def __init__(
        self, stores: Stores, directory: Directory, by: str, now_ns: Callable[[], int]
    ) -> None:
        self._stores, self._by, self._now_ns = stores, by, now_ns
        self._judge = Judge(directory)
        self._writer = Writer(stores, now_ns=now_ns, wait=lambda _: True)

    def replay(self, letter: Kept) -> Replayed:
        try:
            topic = topics.parse(letter.topic)
        except topics.TopicRefusedError as error:
            return Replayed(letter=letter, taken=False, why=str(error))
        if not isinstance(topic, NodeTopic):
            return Replayed(letter=letter, taken=False, why=f"{letter.topic} is no node's")
        batch = Batch()
        taken = batch.taken
        message = _message(letter, topic)
        self._judge.take(taken, topic, letter.topic, message, self._now_ns())
        if taken.letters and not (taken.lines or taken.pictures or taken.births):
            return Replayed(letter=letter, taken=False, why=taken.letters[0].message)
        outbox.add(self._stores.state, taken.alarms)
        if self._writer.store(batch) is None:
            raise StoreUnavailableError(self._writer.trouble)
        refused = taken.letters + batch.refused
        if batch.refused and letter.seq:
            return Replayed(letter=letter, taken=False, why=batch.refused[0].message)
        self._mark(letter)
        why = f"{len(refused)} of its records have letters of their own" if refused else ""
        return Replayed(letter=letter, taken=True, why=why)

    def _mark(self, letter: Kept) -> None:
        now_ns = self._now_ns()
        with self._stores.state.write() as connection:
            deadletter.mark_replayed(connection, letter.id, now_ns)
            audit.write(
                self._stores.state,
                connection,
                self._stores.centre,
                actor=self._by,
                action="deadletter.replay",
                about=f"deadletter/{letter.id}",
                detail={"reason": letter.reason, "topic": letter.topic, "seq": letter.seq},
                now_ns=now_ns,
            )


def _message(letter: Kept, topic: NodeTopic) -> bytes:
    """The message that a letter came in; a record's own envelope is made again around it."""
    if topic.leaf is not NodeLeaf.RECORDS or not letter.seq:
        return letter.payload
    return encode_batch(
        spool=letter.spool,
        centre=topic.centre,
        site=topic.site,
        node=topic.node,
        records=[(letter.seq, letter.payload)],
        sent=0,
    )
