"""People on both databases: the first link, passwords, sessions, tokens, and every right."""

import threading
from itertools import product

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from msgspec.structs import replace

from fakes.province import province
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import Accounts, Rights, Throttle, ThrottledError, audit
from haidang_cloud.state import State
from haidang_cloud.state.tables import api_token, one_time_link, person, session
from haidang_protocols.catalogue.model import Grant, Right
from haidang_protocols.wire.names import NameRefusedError

CATALOGUE = province()
HOUR_NS = 3600 * 10**9
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
GOOD = "mật khẩu dài 1"


@pytest.fixture
def accounts(state: State) -> Accounts:
    found = Accounts(state, "tinh", hasher=QUICK)
    with state.write() as connection:
        found.synchronise(connection, CATALOGUE, 1)
    return found


def make_first(accounts: Accounts, *, login: str = "lan", now_ns: int = 5) -> None:
    link = accounts.first_link(now_ns=now_ns)
    accounts.use_first_link(link, CATALOGUE, login=login, name="Lan", password=GOOD, now_ns=now_ns)


def give_password(accounts: Accounts, login: str, now_ns: int = 5) -> None:
    link = accounts.password_link(login, actor="lan", now_ns=now_ns)
    assert accounts.use_password_link(link, GOOD, now_ns=now_ns) == login


# --- one-time links ---------------------------------------------------------------------------


def test_the_first_link_makes_an_administrator_once(accounts: Accounts, state: State) -> None:
    assert not accounts.has_manager(CATALOGUE)
    link = accounts.first_link(now_ns=5)
    accounts.use_first_link(link, CATALOGUE, login="lan", name="", password=GOOD, now_ns=6)
    assert accounts.has_manager(CATALOGUE)
    admin, _ = accounts.log_in("lan", GOOD, now_ns=7)
    # the role with most rights that manages people, in the centre's scope
    assert admin.grants == (Grant(role="admin", scope="centre"),)
    assert admin.name == "lan"
    with pytest.raises(RefusedError, match="administrator by now"):
        accounts.use_first_link(link, CATALOGUE, login="x", name="", password=GOOD, now_ns=8)
    assert [line.action for line in audit.newest(state, "tinh")] == [
        "session.begin",
        "person.first_admin",
    ]


def test_a_link_ends_by_time_by_a_newer_one_and_by_use(accounts: Accounts) -> None:
    def use(link: str, now_ns: int) -> None:
        accounts.use_first_link(link, CATALOGUE, login="lan", name="", password=GOOD, now_ns=now_ns)

    old = accounts.first_link(now_ns=0)
    new = accounts.first_link(now_ns=0)
    for link, now_ns in ((old, 1), (new, 25 * HOUR_NS), ("made up", 1)):
        with pytest.raises(RefusedError, match="was used, has expired or never was"):
            use(link, now_ns)
    with pytest.raises(RefusedError, match="10 to 256"):
        accounts.use_first_link(new, CATALOGUE, login="l", name="", password="short", now_ns=1)
    with pytest.raises(NameRefusedError):
        accounts.use_first_link(new, CATALOGUE, login="L x", name="", password=GOOD, now_ns=1)
    use(new, 1)  # what was refused did not use it up


def test_of_two_who_use_one_link_at_once_one_becomes_administrator(accounts: Accounts) -> None:
    link = accounts.first_link(now_ns=5)
    made, refused = [], []

    def use(login: str) -> None:
        try:
            accounts.use_first_link(link, CATALOGUE, login=login, name="", password=GOOD, now_ns=6)
            made.append(login)
        except RefusedError:
            refused.append(login)

    threads = [threading.Thread(target=use, args=(login,)) for login in ("lan", "mai")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(refused) == 1
    with pytest.raises(RefusedError):
        accounts.log_in(refused[0], GOOD, now_ns=7)


def test_somebody_who_manages_a_locality_does_not_stand_for_the_centre(
    accounts: Accounts, state: State
) -> None:
    local = Grant(role="people-only", scope="vung-tau")
    catalogue = replace(CATALOGUE, people=(replace(CATALOGUE.people[0], grants=(local,)),))
    with state.write() as connection:
        accounts.synchronise(connection, catalogue, 2)
    give_password(accounts, "an")
    assert not accounts.has_manager(catalogue)


def test_a_password_link_is_for_one_person_and_ends_their_sessions(accounts: Accounts) -> None:
    give_password(accounts, "an")
    _, secret = accounts.log_in("an", GOOD, now_ns=6)
    assert accounts.of_session(secret, now_ns=7) is not None
    link = accounts.password_link("an", actor="lan", now_ns=8)
    assert accounts.use_password_link(link, "một mật khẩu khác", now_ns=9) == "an"
    assert accounts.of_session(secret, now_ns=10) is None
    with pytest.raises(RefusedError):
        accounts.log_in("an", GOOD, now_ns=10)
    accounts.log_in("an", "một mật khẩu khác", now_ns=10)
    with pytest.raises(RefusedError):
        accounts.use_password_link(link, GOOD, now_ns=11)
    with pytest.raises(RefusedError):
        # one kind of link does not do for the other
        accounts.use_password_link(accounts.first_link(now_ns=11), GOOD, now_ns=11)
    with pytest.raises(RefusedError, match="nobody with the log-in name 'zoe'"):
        accounts.password_link("zoe", actor="lan", now_ns=8)


# --- log-in, sessions, tokens -----------------------------------------------------------------


def test_wrong_passwords_unknown_names_and_people_without_one_are_told_alike(
    accounts: Accounts, state: State
) -> None:
    give_password(accounts, "an")
    told = set()
    for login, password in (("an", "wrong"), ("zoe", GOOD), ("binh", GOOD), ("an", GOOD * 50)):
        with pytest.raises(RefusedError) as refused:
            accounts.log_in(login, password, now_ns=6)
        told.add((refused.value.reason, str(refused.value)))
    assert told == {("credentials", "log-in name or password is wrong")}
    lines = audit.newest(state, "tinh", limit=4)
    assert {(line.actor, line.action) for line in lines} == {("unknown", "session.refused")}
    assert {line.object for line in lines} == {"an", "zoe", "binh"}


def test_nothing_that_proves_who_somebody_is_stands_in_the_database(
    accounts: Accounts, state: State
) -> None:
    link = accounts.first_link(now_ns=5)
    accounts.use_first_link(link, CATALOGUE, login="lan", name="", password=GOOD, now_ns=6)
    admin, secret = accounts.log_in("lan", GOOD, now_ns=7)
    _, token = accounts.make_token(admin, label="l", days=1, now_ns=8)
    with state.read() as connection:
        rows = [
            row
            for table in (person, session, api_token, one_time_link)
            for row in connection.execute(sa.select(table)).all()
        ]
    kept = repr(rows)
    assert "$argon2id$" in kept
    assert not [word for word in (GOOD, secret, token, link) if word in kept]


def test_a_session_ends_by_time_and_by_logging_out(accounts: Accounts) -> None:
    give_password(accounts, "an")
    somebody, secret = accounts.log_in("an", GOOD, now_ns=6)
    assert somebody.login == "an"
    assert somebody.grants == (Grant(role="guard", scope="phuong-1"),)
    assert accounts.of_session(secret, now_ns=6 + 11 * HOUR_NS) == somebody
    assert accounts.of_session(secret, now_ns=6 + 12 * HOUR_NS) is None
    accounts.log_out(secret)
    assert accounts.of_session(secret, now_ns=7) is None


def test_a_token_acts_for_its_owner_until_it_ends(accounts: Accounts) -> None:
    an, binh, *_ = accounts.everybody()
    assert (an.login, binh.login) == ("an", "binh")
    number, token = accounts.make_token(an, label="bốt gác", days=2, now_ns=0)
    assert accounts.of_token(token, now_ns=1) == an
    assert accounts.of_token(token, now_ns=48 * HOUR_NS) is None
    assert accounts.of_token(token[:-1], now_ns=1) is None
    assert accounts.of_session(token, now_ns=1) is None
    assert not accounts.revoke_token(binh, number, now_ns=2)
    assert accounts.of_token(token, now_ns=3) == an
    assert accounts.revoke_token(an, number, now_ns=4)
    assert not accounts.revoke_token(an, number, now_ns=5)
    assert accounts.of_token(token, now_ns=5) is None
    (kept,) = accounts.tokens(an)
    assert (kept.label, kept.revoked_ns) == ("bốt gác", 4)
    assert accounts.tokens(binh) == []


def test_people_of_another_centre_are_strangers(accounts: Accounts, state: State) -> None:
    give_password(accounts, "an")
    an, secret = accounts.log_in("an", GOOD, now_ns=6)
    _, token = accounts.make_token(an, label="", days=1, now_ns=6)
    other = Accounts(state, "other", hasher=QUICK)
    assert other.of_session(secret, now_ns=7) is None
    assert other.of_token(token, now_ns=7) is None
    with pytest.raises(RefusedError):
        other.log_in("an", GOOD, now_ns=7)


def test_a_new_catalogue_replaces_its_grants_and_leaves_those_by_hand(
    accounts: Accounts, state: State
) -> None:
    make_first(accounts, login="an")
    catalogue = replace(CATALOGUE, people=CATALOGUE.people[1:2])
    with state.write() as connection:
        accounts.synchronise(connection, catalogue, 9)
    held = {one.login: one.grants for one in accounts.everybody()}
    assert held["an"] == (Grant(role="admin", scope="centre"),)
    assert held["binh"] == (Grant(role="guard", scope="vung-tau"),)
    assert held["chi"] == ()


# --- guessing ---------------------------------------------------------------------------------


def test_five_wrong_passwords_and_the_sixth_waits() -> None:
    clock = [0.0]
    throttle = Throttle(now_s=lambda: clock[0])
    for _ in range(5):
        throttle.check("an", "10.0.0.1")
        throttle.failed("an", "10.0.0.1")
        clock[0] += 10
    with pytest.raises(ThrottledError) as waits:
        throttle.check("an", "10.0.0.1")
    assert waits.value.retry_after_s == 250
    throttle.check("an", "10.0.0.2")  # the real one elsewhere is not locked out
    throttle.check("binh", "10.0.0.1")
    clock[0] = 301
    throttle.check("an", "10.0.0.1")


def test_many_names_from_one_address_and_many_addresses_for_one_name() -> None:
    throttle = Throttle(now_s=lambda: 0.0)
    for number in range(30):
        throttle.failed(f"n{number}", "10.0.0.1")
    with pytest.raises(ThrottledError):
        throttle.check("new", "10.0.0.1")
    for number in range(50):
        throttle.failed("an", f"10.0.1.{number}")
    with pytest.raises(ThrottledError):
        throttle.check("an", "10.0.2.1")


def test_who_gets_in_is_forgiven() -> None:
    throttle = Throttle(now_s=lambda: 0.0)
    for _ in range(4):
        throttle.failed("an", "a")
    throttle.passed("an", "a")
    for _ in range(4):
        throttle.failed("an", "a")
    throttle.check("an", "a")


# --- rights -----------------------------------------------------------------------------------

SCOPES = ("centre", "cong-an", "vung-tau", "phuong-1", "ba-ria")
# holder → what lies in it; a ward lies in its city, nothing but itself lies in a department
REACH = {
    "centre": set(SCOPES),
    "cong-an": {"cong-an"},
    "vung-tau": {"vung-tau", "phuong-1"},
    "phuong-1": {"phuong-1"},
    "ba-ria": {"ba-ria"},
    "nowhere": set(),
}
ROLES = {
    "admin": set(Right),
    "people-only": {Right.PEOPLE_MANAGE},
    "guard": {Right.CASE_READ, Right.CASE_ANSWER, Right.SNAPSHOT_READ},
    "viewer": {Right.CASE_READ, Right.BOARD_READ},
    "nothing": set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_right_is_role_times_scope(role: str) -> None:
    rights = Rights(CATALOGUE)
    for holder, right in product(REACH, Right):
        grants = (Grant(role=role, scope=holder),)
        has = right in ROLES[role]
        expected = REACH[holder] if has else set()
        assert rights.sees(grants, right) == expected, (holder, right)
        for scope in (*SCOPES, "nowhere"):
            assert rights.allows(grants, right, scope) == (scope in expected)
            if scope in expected:
                rights.demand(grants, right, scope)
            else:
                with pytest.raises(RefusedError, match=right.value):
                    rights.demand(grants, right, scope)
        everywhere = has and holder == "centre"
        assert rights.everywhere(grants, right) == everywhere
        if not everywhere:
            with pytest.raises(RefusedError, match="whole centre"):
                rights.demand(grants, right)


def test_grants_add_up_and_never_cross() -> None:
    rights = Rights(CATALOGUE)
    grants = (Grant(role="guard", scope="phuong-1"), Grant(role="viewer", scope="ba-ria"))
    assert rights.sees(grants, Right.CASE_READ) == {"phuong-1", "ba-ria"}
    assert rights.sees(grants, Right.CASE_ANSWER) == {"phuong-1"}
    assert rights.sees(grants, Right.BOARD_READ) == {"ba-ria"}
    assert rights.sees((), Right.CASE_READ) == frozenset()
