"""`haidang cloud deadletter`: what could not be taken, looked at and replayed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from haidang_cloud.ingest import Directory
from haidang_cloud.ingest.replay import replay
from haidang_cloud.processes.catalogue import in_force_now
from haidang_cloud.processes.config import CloudConfig, load_config, state_of
from haidang_cloud.processes.stores import stores_of
from haidang_cloud.state import State, deadletter
from haidang_cloud.state.deadletter import Kept
from haidang_protocols.errors import UserError
from haidang_protocols.wire.names import check_name

PAGE = 200
SHOWN_BYTES = 4000
EXIT_REFUSED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters: of one reason, of one number, or all."""

    reason: str | None = None
    number: int | None = None


def list_letters(config_path: Path, wanted: Wanted) -> int:
    """A line for each letter that waits."""
    config = load_config(config_path)
    with _state(config) as state:
        count = 0
        for letter in _letters(config, state, wanted, payloads=False):
            count += 1
            sys.stdout.write(f"{_line(letter)}\n")
    sys.stdout.write(f"{count} letters\n")
    return 0


def show(config_path: Path, wanted: Wanted) -> int:
    """All that is known of letters, replayed or not, with what came."""
    config = load_config(config_path)
    with _state(config) as state:
        for letter in _letters(config, state, wanted, replayed=True):
            replayed = "no" if letter.replayed_ns is None else _time(letter.replayed_ns)
            sys.stdout.write(
                f"{_line(letter)}\n"
                f"  topic     {letter.topic}\n"
                f"  first     {_time(letter.first_ns)}\n"
                f"  replayed  {replayed}\n"
                f"  payload   {len(letter.payload)} bytes\n"
                f"{letter.payload[:SHOWN_BYTES].decode(errors='replace')}\n"
            )
    return 0


def replay_letters(config_path: Path, wanted: Wanted, *, by: str) -> int:
    """Judge letters again and store what can be taken; 1 when something is still refused."""
    check_name(by, what="--by")
    config = load_config(config_path)
    done = refused = 0
    with _state(config) as state, stores_of(config, state, worker="replay") as stores:
        directory = in_force_now(state, config, Directory)
        waiting = _letters(config, state, wanted, replayed=wanted.number is not None)
        for found in replay(stores, directory, waiting, by=by):
            done, refused = done + found.taken, refused + (not found.taken)
            what = "taken" if found.taken else "refused"
            sys.stdout.write(f"{found.letter.id}: {what}{found.why and f': {found.why}'}\n")
    sys.stdout.write(f"{done} taken, {refused} still refused\n")
    return EXIT_REFUSED if refused else 0


@contextmanager
def _state(config: CloudConfig) -> Iterator[State]:
    state = state_of(config)
    try:
        yield state
    finally:
        state.close()


def _letters(
    config: CloudConfig,
    state: State,
    wanted: Wanted,
    *,
    replayed: bool = False,
    payloads: bool = True,
) -> Iterator[Kept]:
    """Letters page by page; raises `UserError` for a number that no letter has."""
    after = 0
    while True:
        page = deadletter.find(
            state,
            config.centre,
            reason=wanted.reason,
            number=wanted.number,
            replayed=replayed,
            payloads=payloads,
            after=after,
            limit=PAGE,
        )
        if not page and not after and wanted.number is not None:
            raise UserError(f"--id {wanted.number}: there is no such letter that waits")
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id


def _line(letter: Kept) -> str:
    seq = f" seq {letter.seq}" if letter.seq else ""
    return (
        f"{letter.id:>6}  {letter.reason:<14} {letter.node or '-'}{seq}  "
        f"{letter.tries} times, last {_time(letter.last_ns)}: {letter.message}"
    )


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
