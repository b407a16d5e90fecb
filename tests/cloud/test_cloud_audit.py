"""The audit chain on both databases: whole under many hands, and what was done to it is found."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from haidang_cloud.errors import AuditBrokenError
from haidang_cloud.people import audit
from haidang_cloud.people.audit import Anchor
from haidang_cloud.state import State
from haidang_cloud.state.tables import audit as table


def say(state: State, action: str, *, centre: str = "c", now_ns: int = 1) -> None:
    with state.write() as connection:
        audit.write(
            state,
            connection,
            centre,
            actor="an",
            action=action,
            about="case/1",
            detail={"từ": "raised", "a": 1},
            now_ns=now_ns,
        )


def change(state: State, statement: sa.Update | sa.Delete | sa.Insert) -> None:
    with state.write() as connection:
        connection.execute(statement)


def rows(state: State) -> list[dict[str, object]]:
    with state.read() as connection:
        return [
            dict(row)
            for row in connection.execute(sa.select(table).order_by(table.c.number)).mappings()
        ]


def test_an_untouched_log_is_whole(state: State) -> None:
    assert audit.verify(state, "c") == (0, audit.FIRST)
    for number in range(5):
        say(state, f"do.{number}", now_ns=number)
    say(state, "elsewhere", centre="other")
    number, last = audit.verify(state, "c")
    assert number == 5
    newest, *_, oldest = audit.newest(state, "c")
    assert (newest.number, newest.hash, newest.action) == (5, last, "do.4")
    assert oldest.previous == audit.FIRST
    assert newest.detail == {"từ": "raised", "a": 1}
    assert [line.number for line in audit.newest(state, "c", limit=2, before=4)] == [3, 2]
    assert audit.verify(state, "other")[0] == 1


def test_a_line_stands_only_when_the_thing_was_done(state: State) -> None:
    with pytest.raises(RuntimeError), state.write() as connection:
        audit.write(state, connection, "c", actor="a", action="x", about="y", now_ns=1)
        raise RuntimeError
    assert audit.verify(state, "c") == (0, audit.FIRST)


@pytest.mark.parametrize("column", ["actor", "action", "object", "detail", "at_ns", "previous"])
def test_a_changed_line_is_found(state: State, column: str) -> None:
    for number in range(3):
        say(state, f"do.{number}")
    value: object = 7 if column == "at_ns" else "f" * 64
    change(state, table.update().where(table.c.number == 2).values({column: value}))
    with pytest.raises(AuditBrokenError, match="line 2 "):
        audit.verify(state, "c")


def test_a_removed_line_is_found_and_so_is_one_moved_up(state: State) -> None:
    for number in range(4):
        say(state, f"do.{number}")
    change(state, table.delete().where(table.c.number == 2))
    with pytest.raises(AuditBrokenError, match="line 2 is missing"):
        audit.verify(state, "c")
    change(state, table.update().where(table.c.number == 3).values(number=2))
    with pytest.raises(AuditBrokenError, match="line 2 does not follow"):
        audit.verify(state, "c")


def test_a_line_slipped_in_is_found(state: State) -> None:
    for number in range(3):
        say(state, f"do.{number}")
    change(state, table.update().where(table.c.number == 3).values(number=4))
    (_, second, third) = rows(state)
    forged = second | {"number": 3, "action": "do.nothing", "previous": second["hash"]}
    change(state, table.insert().values(forged))
    with pytest.raises(AuditBrokenError, match="line 3 was changed"):
        audit.verify(state, "c")
    assert third["number"] == 4


def rewrite(state: State, keep: int, again: int) -> None:
    """What somebody with the database's password can do: a new end, whole in itself."""
    change(state, table.delete().where(table.c.number > keep))
    for number in range(again):
        say(state, f"forged.{number}")


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda state: rewrite(state, 3, 0), "its end was cut off"),
        (lambda state: rewrite(state, 3, 1), "its end was cut off"),
        (lambda state: rewrite(state, 3, 2), "line 5 is not the one that was anchored"),
        (lambda state: rewrite(state, 0, 0), "its end was cut off"),
    ],
)
def test_what_the_chain_alone_cannot_tell_the_anchor_does(
    state: State, tmp_path: Path, harm: Callable[[State], None], found: str
) -> None:
    anchor = Anchor(tmp_path / "far" / "audit.head")
    assert anchor.read() == []
    anchor.add(state, "c")
    for number in range(5):
        say(state, f"do.{number}")
        if number in (1, 4):
            anchor.add(state, "c")
            anchor.add(state, "c")
    assert [number for number, _ in anchor.read()] == [2, 5]
    assert audit.verify(state, "c", anchor.read())[0] == 5
    harm(state)
    audit.verify(state, "c")  # whole in itself
    with pytest.raises(AuditBrokenError, match=found):
        audit.verify(state, "c", anchor.read())
    with pytest.raises(AuditBrokenError, match="not the one that was anchored"):
        anchor.add(state, "c")  # a forged end is not anchored on top


def test_an_anchor_line_cut_by_a_power_cut_counts_as_none(state: State, tmp_path: Path) -> None:
    path = tmp_path / "audit.head"
    anchor = Anchor(path)
    say(state, "one")
    anchor.add(state, "c")
    whole = path.read_bytes()
    path.write_bytes(whole + b"2 abc")
    assert [number for number, _ in anchor.read()] == [1]
    say(state, "two")
    anchor.add(state, "c")
    assert path.read_bytes().startswith(whole)
    assert [number for number, _ in anchor.read()] == [1, 2]
    path.write_bytes(b"2 abc\n" + whole)
    with pytest.raises(AuditBrokenError, match="line 1: '2 abc' is no anchor"):
        anchor.read()


def test_an_anchor_changed_with_the_log_contradicts_itself(state: State) -> None:
    say(state, "one")
    number, digest = audit.verify(state, "c")
    with pytest.raises(AuditBrokenError, match="as two different lines"):
        audit.verify(state, "c", [(number, "f" * 64), (number, digest)])


def test_many_hands_write_one_chain(state: State) -> None:
    def work(name: str) -> None:
        for number in range(25):
            say(state, f"{name}.{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify(state, "c")[0] == 75
    said = [line.action for line in audit.newest(state, "c", limit=100)]
    assert len(set(said)) == 75


def test_a_log_longer_than_a_page_is_read_whole(state: State) -> None:
    with state.write() as connection:
        for number in range(audit.PAGE + 3):
            audit.write(state, connection, "c", actor="a", action=f"x{number}", about="o", now_ns=1)
    assert audit.verify(state, "c")[0] == audit.PAGE + 3
