"""State on both databases: migrations, the ledger under many hands, outbox, dead letter, leases."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haidang_cloud.errors import CloudConfigError, StateUnavailableError
from haidang_cloud.state import State, deadletter, dirty, leases, ledger, open_state, outbox, told
from haidang_cloud.state.bell import Bell
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.dirty import Window
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.state.tables import metadata
from haidang_protocols.wire.seqset import SeqSet

KEY = SpoolKey("n", "0" * 16, "s")


def letter(seq: int = 0, payload: bytes = b"bad", reason: str = "malformed") -> Letter:
    return Letter(
        centre="c", topic="t", reason=reason, message="why", payload=payload, at_ns=5, seq=seq
    )


def alarm(record: str) -> Alarm:
    return Alarm(centre="c", record_id=record, site="s", node="n", received_ns=1, payload=b"{}")


def test_migrations_give_the_tables_that_the_code_means(state: State) -> None:
    with state.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_opening_twice_changes_nothing(state: State, state_url: str) -> None:
    ledger.commit(state, "c", {KEY: SeqSet([(1, 5)])}, now_ns=1)
    again = open_state(state_url)
    assert ledger.read(again, "c") == {KEY: SeqSet([(1, 5)])}
    again.close()


def test_the_ledger_joins_ranges(state: State) -> None:
    first = ledger.commit(state, "c", {KEY: SeqSet([(1, 5), (9, 9)])}, now_ns=1)
    assert first == {KEY: SeqSet([(1, 5), (9, 9)])}
    second = ledger.commit(state, "c", {KEY: SeqSet([(6, 8)])}, now_ns=2)
    assert second == {KEY: SeqSet([(1, 9)])}
    assert ledger.read(state, "other") == {}


def test_two_workers_lose_nothing_of_each_other(state: State) -> None:
    keys = [SpoolKey(f"n{n}", f"{n:016x}", "s") for n in range(5)]
    problems: list[BaseException] = []

    def work(offset: int) -> None:
        try:
            for n in range(25):
                seq = 2 * n + offset
                chosen = keys if n % 2 else list(reversed(keys))
                ledger.commit(state, "c", {k: SeqSet([(seq, seq)]) for k in chosen}, now_ns=n)
        except StateUnavailableError as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert ledger.read(state, "c") == {key: SeqSet([(1, 50)]) for key in keys}


def test_a_batch_is_committed_whole_or_not_at_all(state: State) -> None:
    broken = Window(dataset="d", place=None, from_ns=1, to_ns=2)  # type: ignore[arg-type]
    with pytest.raises(sa.exc.IntegrityError):
        ledger.commit(
            state, "c", {KEY: SeqSet([(1, 1)])}, dead=[letter()], windows=[broken], now_ns=1
        )
    assert ledger.read(state, "c") == {}
    assert deadletter.find(state, "c") == []


def test_the_same_poison_again_is_one_letter(state: State) -> None:
    for _ in range(3):
        deadletter.keep(state, [letter(), letter(seq=4)])
    found = deadletter.find(state, "c")
    assert [(kept.seq, kept.tries) for kept in found] == [(0, 3), (4, 3)]
    with state.write() as connection:
        deadletter.mark_replayed(connection, found[0].id, 9)
    assert [kept.seq for kept in deadletter.find(state, "c")] == [4]
    assert len(deadletter.find(state, "c", replayed=True)) == 2
    assert deadletter.find(state, "c", reason="future") == []


def test_windows_grow_and_a_mark_while_they_are_read_is_not_lost(state: State) -> None:
    def mark(low: int, high: int, now: int) -> None:
        with state.write() as connection:
            window = Window(dataset="d", place="p", from_ns=low, to_ns=high)
            dirty.mark(state, connection, "c", [window], now)

    mark(10, 20, 1)
    mark(5, 8, 1)
    (window,) = dirty.read(state, "c", "d")
    assert (window.from_ns, window.to_ns) == (5, 20)
    mark(30, 40, 1)
    assert not dirty.clear(state, "c", window)
    (window,) = dirty.read(state, "c", "d")
    assert dirty.clear(state, "c", window)
    assert dirty.read(state, "c", "d") == []


def test_an_alarm_is_in_the_outbox_once_and_the_bell_rings(state: State) -> None:
    with Bell(state) as bell:
        bell.wait(0.01)
        ringing = threading.Thread(target=outbox.add, args=(state, [alarm("a"), alarm("b")]))
        ringing.start()
        bell.wait(5.0)
        ringing.join()
    outbox.add(state, [alarm("a")])
    with state.write() as connection:
        found = outbox.waiting(connection, "c")
        assert [one.record_id for one in found] == ["a", "b"]
        outbox.consumed(connection, [found[0].id], 3)
    with state.read() as connection:
        assert [one.record_id for one in outbox.waiting(connection, "c")] == ["b"]


def test_a_lease_has_one_holder_and_ends_by_itself(state: State) -> None:
    assert leases.take(state, "job", "a", now_ns=0, for_ns=10)
    assert not leases.take(state, "job", "b", now_ns=5, for_ns=10)
    assert leases.take(state, "job", "a", now_ns=5, for_ns=10)
    assert leases.take(state, "job", "b", now_ns=16, for_ns=10)
    leases.give_back(state, "job", "b")
    assert leases.take(state, "job", "a", now_ns=17, for_ns=10)


def claim(state: State, holder: str, number: int, *topics: str, now_ns: int = 0) -> bool:
    return told.claim(state, "c", holder, number, topics, now_ns=now_ns, for_ns=10) is not None


def test_of_many_who_would_tell_nodes_one_does(state: State) -> None:
    got: list[str] = []
    ready = threading.Barrier(6)

    def work(holder: str) -> None:
        ready.wait(10)
        if claim(state, holder, 1):
            got.append(holder)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [told.read(state, "c").holder] == got


def test_who_tells_nodes_may_be_followed_but_nobody_tells_less(state: State) -> None:
    assert told.read(state, "c").number == 0
    assert claim(state, "a", 2, "x")
    assert not claim(state, "b", 2), "a's lease lasts"
    assert claim(state, "a", 2), "it may tell it again"
    assert not claim(state, "b", 1, now_ns=99), "less is told by nobody"
    assert told.keep(state, "c", "a", now_ns=5, for_ns=10)
    assert not claim(state, "b", 2, now_ns=14)
    assert claim(state, "b", 2, now_ns=15), "the lease is gone"
    assert not told.keep(state, "c", "a", now_ns=16, for_ns=10)
    assert claim(state, "c", 3, now_ns=16), "a newer version waits for nobody's lease"
    assert not told.settle(state, "c", "b", 2, [])
    assert claim(state, "d", 1) is False
    told.doubt(state, "c", 3)
    assert told.read(state, "c").holder == "c"
    told.doubt(state, "c", 2)
    assert claim(state, "d", 3, now_ns=17), "nobody is sure of it"


def test_topics_are_known_from_the_claim_on_until_they_are_cleared(state: State) -> None:
    def claimed(holder: str, number: int, *topics: str) -> frozenset[str] | None:
        return told.claim(state, "c", holder, number, topics, now_ns=0, for_ns=10)

    assert claimed("a", 1, "x", "y") == frozenset()
    assert claimed("b", 2, "y", "z") == frozenset({"x", "y"})
    assert told.settle(state, "c", "b", 2, ["y", "z"])
    assert claimed("a", 3, "z") == frozenset({"y", "z"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(st.lists(st.integers(1, 60), min_size=1), min_size=1, max_size=8))
def test_the_ledger_is_a_set(
    parts: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = open_state(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 's.sqlite'}")
    for part in parts:
        ledger.commit(state, "c", {KEY: SeqSet((n, n) for n in part)}, now_ns=1)
    merged = ledger.read(state, "c")[KEY]
    assert {n for n in range(1, 61) if n in merged} == {n for part in parts for n in part}
    state.close()


def test_an_address_that_is_none_and_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CloudConfigError, match="sqlite:///FILE"):
        open_state("nonsense")
    with pytest.raises(CloudConfigError, match="not known"):
        open_state("mysql://x/y")
    with pytest.raises(StateUnavailableError):
        open_state("postgresql+psycopg://nobody@127.0.0.1:1/none")
