"""`haidang fleet broker roles` brings a running broker's rights to the catalogue, no further."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from haidang_fleet.broker import Client, Control, Identity, Kind, Rights, Role
from haidang_fleet.broker.roles import additions, belongs, changes, wanted, wanted_at
from haidang_fleet.errors import RefusedError
from haidang_fleet.office import admin_of
from haidang_protocols.catalogue import load
from servers import start
from servers.find import REPOSITORY
from servers.fleet import Fleet, haidang
from servers.speaker import REFUSED, Speaker

MINIMAL = REPOSITORY / "catalog" / "minimal"


def test_the_difference_is_what_brings_one_to_the_other() -> None:
    want = wanted(load(MINIMAL), [Identity.node("demo", "gate", "gate-1")])
    nothing = Rights(roles={}, clients={})
    made = changes(nothing, want, centre="demo")
    assert [c["command"] for c in made].count("createClient") == 1
    assert changes(want, want, centre="demo") == []
    gone = changes(want, nothing, centre="demo")
    assert {c["command"] for c in gone} == {"deleteClient", "deleteRole"}
    assert additions(want, nothing) == []
    assert changes(want, nothing, centre="another") == [], "another centre's are left alone"


def test_a_line_that_somebody_added_by_hand_is_taken_away() -> None:
    want = wanted(load(MINIMAL), [])
    role = want.roles["demo.ingest"]
    wider = Role(name=role.name, lines=role.lines | {("publishClientSend", "#")})
    found = Rights(roles={**want.roles, role.name: wider}, clients={})
    [command] = changes(found, want, centre="demo")
    assert command["command"] == "modifyRole"
    assert "#" not in json.dumps(command["acls"])


def test_a_client_with_a_role_that_is_not_ours_is_no_node_of_ours() -> None:
    want = wanted(load(MINIMAL), [Identity.node("demo", "gate", "gate-1")])
    theirs = Client(name="gate-1", roles=frozenset({"other.node.gate-1"}))
    with pytest.raises(RefusedError, match="no two nodes have one name"):
        changes(Rights(roles={}, clients={"gate-1": theirs}), want, centre="demo")


def test_names_of_roles_tell_whose_they_are() -> None:
    assert belongs("demo.node.gate-1", "demo")
    assert belongs("demo.ingest", "demo")
    assert not belongs("demo2.ingest", "demo")
    assert not belongs("fleet.admin", "fleet")
    assert not belongs("demo", "demo")


def test_a_sites_broker_lets_in_its_nodes_and_the_staff_around() -> None:
    guard = Identity(kind=Kind.STAFF, centre="demo", scope="city", name="guard")
    ingest = Identity(kind=Kind.INGEST, centre="demo", name="w1")
    rights = wanted_at("gate", load(MINIMAL), [guard, ingest])
    assert set(rights.clients) == {"gate-1", "demo.staff.city.guard"}
    assert set(rights.roles) == {"demo.node.gate-1", "demo.staff.city", "demo.staff.centre"}
    with pytest.raises(RefusedError, match="site 'moon' is not known; known: gate"):
        wanted_at("moon", load(MINIMAL), [])


@pytest.mark.broker
def test_the_command_follows_the_catalogue_and_is_idempotent(fleet: Fleet, tmp_path: Path) -> None:
    for words in (
        ("service", "ingest", "--centre", "demo", "--name", "w1"),
        ("service", "staff", "--centre", "demo", "--name", "post", "--scope", "city"),
    ):
        told = fleet.run(*words, "--by", "an")
        assert told.code == 0, told.err
    assert fleet.enrol(fleet.token("gate-1"), tmp_path / "keys").code == 0
    with Control.connect(admin_of(fleet.office.config)) as control:
        # somebody made this one by hand; it is no part of the centre's
        control.run([{"command": "createRole", "rolename": "by-hand", "acls": []}])
        control.run([{"command": "createClient", "username": "by-hand", "roles": []}])
    text = haidang("catalog", "show", MINIMAL, "--json").out
    assert fleet.run("broker", "roles", stdin=text).out.startswith("0 changed")

    # the catalogue changes: the node moves to a site of another name, a scope goes
    moved = text.replace('"site": "gate"', '"site": "port"').replace(
        '"sites": [', '"sites": [{"id": "port", "name": {"vi": "x"}, "place": "gate"},'
    )
    told = fleet.run("broker", "roles", "--dry-run", stdin=moved)
    assert "would change" in told.out
    assert fleet.run("broker", "roles", stdin=text).out.startswith("0 changed")
    told = fleet.run("broker", "roles", stdin=moved)
    assert told.code == 0, told.err
    assert "modifyRole demo.node.gate-1" in told.out
    assert fleet.run("broker", "roles", stdin=moved).out.startswith("0 changed")
    lines = fleet.rights().roles["demo.node.gate-1"].lines
    assert all("/node/gate/" not in topic for _, topic in lines)

    # the node is no longer of the catalogue
    without = json.loads(text)
    without["nodes"], without["cameras"] = [], []
    told = fleet.run("broker", "roles", stdin=json.dumps(without))
    assert "deleteClient gate-1" in told.out
    rights = fleet.rights()
    assert "demo.node.gate-1" not in rights.roles
    assert {"by-hand", "fleet.admin.serve", "demo.ingest.w1", "demo.staff.city.post"} == set(
        rights.clients
    )


@pytest.mark.broker
def test_a_node_that_leaves_the_catalogue_can_do_nothing_more(fleet: Fleet, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert fleet.enrol(fleet.token("gate-1"), keys).code == 0
    at = keys / "current"
    speaker = Speaker(
        fleet.broker.port, ca=at / "ca.crt", cert=at / "node.crt", key=at / "node.key"
    ).up()
    topic = "haidang/v1/demo/node/gate/gate-1/records"
    assert speaker.publish([(topic, b"x")])[0] != REFUSED
    catalogue = json.loads(haidang("catalog", "show", MINIMAL, "--json").out)
    catalogue["nodes"], catalogue["cameras"] = [], []
    assert fleet.run("broker", "roles", stdin=json.dumps(catalogue)).code == 0
    start.wait_until(lambda: speaker.ended, what="the connection ended")
    start.wait_until(lambda: speaker.connects == 2, what="it is back, with a valid certificate")
    assert speaker.publish([(topic, b"x")]) == [REFUSED]
    speaker.close()


@pytest.mark.broker
def test_rights_outlive_the_brokers_death(fleet: Fleet, tmp_path: Path) -> None:
    assert fleet.enrol(fleet.token("gate-1"), tmp_path / "keys").code == 0
    before = fleet.rights()
    fleet.broker.kill()
    fleet.broker.start()
    assert fleet.rights() == before


@pytest.mark.broker
def test_what_cannot_be_is_told_in_a_sentence(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet()
    fleet.broker.start()
    told = fleet.run("broker", "roles", stdin="{}")
    assert told.code == 2
    assert "no catalogue as JSON" in told.err
    fleet.broker.stop()
    told = fleet.run("broker", "roles", "--catalogue", MINIMAL)
    assert told.code == 2
    assert "cannot be reached" in told.err
    told = fleet.run("service", "ingest", "--centre", "demo", "--name", "w1", "--by", "an")
    assert told.code == 0
    assert "does not know demo.ingest.w1 yet" in told.err
    told = fleet.run("service", "ingest", "--centre", "demo", "--name", "w1", "--by", "an")
    assert "nothing to do" in told.out
    fleet.broker.start()
    assert "createClient demo.ingest.w1" in fleet.run("broker", "roles", "--catalogue", MINIMAL).out


@pytest.mark.broker
def test_a_large_catalogue_goes_in_many_messages(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet()
    fleet.broker.start()
    nodes = [{"id": f"n{number}", "site": "gate"} for number in range(200)]
    catalogue = json.loads(haidang("catalog", "show", MINIMAL, "--json").out)
    catalogue["nodes"] += nodes
    told = fleet.run("broker", "roles", stdin=json.dumps(catalogue))
    assert told.code == 0, told.err
    assert told.out.count("createRole demo.node.n") == 200
    assert len(fleet.rights().roles) > 200
