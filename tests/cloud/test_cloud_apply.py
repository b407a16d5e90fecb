"""`haidang catalog apply`: one version, its people and its audit line; the rest follows."""

import json
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from fakes.desk import MINIMAL, Desk
from fakes.room import until
from fakes.sender import Sender, envelope, event
from fakes.versions import leave, publish
from haidang_cloud.errors import RefusedError, StateUnavailableError, StoreMisconfiguredError
from haidang_cloud.people import Accounts, audit
from haidang_cloud.processes import apply
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import load_config
from haidang_cloud.processes.kept import KeptVersion
from haidang_cloud.state import State, open_state, versions
from haidang_cloud.state.tables import person, person_grant
from haidang_cloud.timeseries import Influx, InfluxSettings, SqliteSeries
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.loader import read_texts
from haidang_protocols.command import main
from haidang_protocols.errors import UserError
from servers import start


@pytest.fixture
def desk(tmp_path: Path, state_url: str) -> Iterator[Desk]:
    made = Desk(tmp_path / "desk", state_url)
    yield made
    made.close()


@pytest.fixture
def opened(state_url: str) -> Iterator[State]:
    state = open_state(state_url)
    yield state
    state.close()


def grants(state: State) -> set[tuple[str, str, str]]:
    wanted = sa.select(person.c.login, person_grant.c.role, person_grant.c.scope).join(
        person_grant, person_grant.c.person == person.c.id
    )
    with state.read() as connection:
        return {tuple(row) for row in connection.execute(wanted)}


def test_a_version_its_people_and_its_audit_line_are_there_together(
    desk: Desk, opened: State
) -> None:
    applied = desk.apply(why="first version")
    assert (applied.number, applied.fresh) == (1, True)
    version = versions.newest(opened, "demo")
    assert version is not None
    assert (version.by, version.why) == ("an", "first version")
    assert grants(opened) == {("an", "guard", "city")}
    (line,) = audit.newest(opened, "demo")
    assert (line.actor, line.action, line.object) == ("an", "catalogue.publish", "catalogue/1")
    assert line.detail["why"] == "first version"
    series = SqliteSeries(desk.folder / "series.sqlite")
    for bucket in ("demo-private", "demo-scope-centre", "demo-scope-city"):
        assert series.count(bucket, "event", "id") == 0
    series.close()


def test_the_same_again_is_no_new_version_and_an_older_one_is(desk: Desk, opened: State) -> None:
    desk.apply()
    again = desk.apply()
    assert (again.number, again.fresh) == (1, False)
    desk.change("after_s: 1", "after_s: 2")
    assert desk.apply().number == 2
    desk.change("after_s: 2", "after_s: 1")
    assert desk.apply(why="back again").number == 3
    assert len(audit.newest(opened, "demo")) == 3


def test_somebody_who_left_the_catalogue_loses_what_it_granted(desk: Desk, opened: State) -> None:
    desk.apply()
    desk.change("{login: an, name: Nguyễn Văn An,", "{login: binh, name: Lê Thị Bình,")
    desk.apply()
    assert grants(opened) == {("binh", "guard", "city")}


def test_mistakes_are_told_all_at_once_and_change_nothing(desk: Desk, opened: State) -> None:
    desk.change("after_s: 1", "after_s: soon, sudden: true")
    desk.change("node: gate-1", "node: gate-1\n    colour: red")
    with pytest.raises(CatalogueRefusedError) as caught:
        desk.apply()
    said = str(caught.value)
    assert "3 mistakes" in said
    for word in ("after_s", "sudden", "colour"):
        assert word in said
    assert versions.newest_number(opened, "demo") == 0


@pytest.mark.parametrize(
    ("by", "why", "said"), [("an", "  ", "--why is empty"), ("Mr X", "a test", "--by 'Mr X'")]
)
def test_nothing_comes_into_force_without_a_name_and_a_reason(
    desk: Desk, by: str, why: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        desk.apply(by=by, why=why)


def test_the_catalogue_of_another_centre_is_refused(desk: Desk) -> None:
    desk.change("id: demo", "id: other")
    with pytest.raises(UserError, match=r"'other'.*'demo'"):
        desk.apply()


def roles_script(folder: Path, body: str) -> list[str]:
    script = folder / "roles.py"
    script.write_text(f"import json, sys\ncatalogue = json.load(sys.stdin)\n{body}\n")
    return [sys.executable, str(script)]


def test_the_broker_s_roles_get_the_catalogue_as_json(desk: Desk) -> None:
    out = desk.folder / "got.json"
    body = f"json.dump([n['id'] for n in catalogue['nodes']], open({str(out)!r}, 'w'))"
    desk.configure(broker_roles=roles_script(desk.folder, body))
    desk.apply()
    assert json.loads(out.read_text()) == ["gate-1"]


def test_what_does_not_follow_is_told_and_the_same_command_finishes_it(
    desk: Desk, opened: State
) -> None:
    desk.configure(broker_roles=roles_script(desk.folder, "sys.exit('broker is away')"))
    with pytest.raises(apply.UnfinishedError, match=r"version 1 is in force(?s:.*)broker is away"):
        desk.apply()
    desk.configure(broker_roles=["/nowhere/at-all"])
    with pytest.raises(apply.UnfinishedError, match="/nowhere/at-all"):
        desk.apply()
    desk.configure(broker_roles=roles_script(desk.folder, ""))
    assert desk.apply().number == 1
    assert len(audit.newest(opened, "demo")) == 1


def test_the_command_says_what_it_did(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["catalog", "apply", str(desk.catalogue), "--config", str(desk.config_path)]
    assert main([*words, "--by", "an", "--why", "first"]) == 0
    assert "version 1 is in force" in capsys.readouterr().out
    desk.change("after_s: 1", "after_s: soon")
    assert main([*words, "--by", "an", "--why", "first"]) == 2
    assert "after_s" in capsys.readouterr().err


ADMIN = "grants: [{role: admin, scope: centre}]"
GUARD = "grants: [{role: guard, scope: city}]"


def without_cameras(text: str) -> str:
    return text[: text.index("cameras:")]


def split(desk: Desk) -> tuple[Path, list[str]]:
    """The catalogue in force, exported, and now of three files; and the words that apply it."""
    whole = desk.catalogue / "centre.yaml"
    text = whole.read_text()
    people, sites = text.index("people:"), text.index("sites:")
    whole.write_text(text[:people])
    (desk.catalogue / "people.yaml").write_text(text[people:sites])
    (desk.catalogue / "more").mkdir()
    (desk.catalogue / "more" / "cameras.yaml").write_text(text[sites:])
    desk.apply()
    out = desk.folder / "exp"
    assert main(["catalog", "export", "--config", str(desk.config_path), "--out", str(out)]) == 0
    config = ["--config", str(desk.config_path), "--by", "an", "--why", "a slip"]
    return out, ["catalog", "apply", *config]


def test_one_file_of_an_export_is_not_taken_for_the_catalogue(
    desk: Desk, opened: State, capsys: pytest.CaptureFixture[str]
) -> None:
    out, words = split(desk)
    assert main([*words, str(out / "centre.yaml"), "--even-if-it-empties"]) == 2
    said = capsys.readouterr().err
    assert "one of 3 files of a catalogue" in said
    assert "more/cameras.yaml, people.yaml" in said
    assert f"give the folder, {out}" in said
    assert versions.newest_number(opened, "demo") == 1
    assert main([*words, str(out)]) == 0
    assert "version 1 was in force already: people 1, nodes 1, cameras 1" in capsys.readouterr().out


def test_a_file_may_lie_beside_what_is_no_part_of_it(desk: Desk) -> None:
    alone = desk.folder / "whole.yaml"  # beside the centre's own configuration
    alone.write_text(MINIMAL.read_text())
    (desk.folder / "other.yaml").write_text(MINIMAL.read_text().replace("after_s: 1", "after_s: 3"))
    (desk.folder / "node.yaml").write_text("{centre: demo, models: models, broker: {host: x}}")
    (desk.folder / "torn.yaml").write_text("cameras: [")
    assert apply.run(desk.config_path, alone, by="an", why="a file of its own").number == 1
    (desk.folder / "roles.yaml").write_text("roles: []\n")
    with pytest.raises(UserError, match=r"one of 2 files .*roles\.yaml"):
        apply.run(desk.config_path, alone, by="an", why="no more")


def test_what_leaves_nobody_in_charge_or_a_node_blind_is_asked_about(
    desk: Desk, opened: State, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["catalog", "apply", str(desk.catalogue), "--config", str(desk.config_path)]
    words += ["--by", "an", "--why", "smaller"]
    desk.change(GUARD, ADMIN)
    assert main(words) == 0
    assert "cameras 1, zones 1, lines 0, rules 1\n" in capsys.readouterr().out
    desk.change(ADMIN, GUARD)
    path = desk.catalogue / "centre.yaml"
    path.write_text(without_cameras(path.read_text()))
    assert main(words) == 2
    said = capsys.readouterr().err
    for word in (
        "people 1, nodes 1, cameras 1 → 0, zones 1 → 0, lines 0, rules 1 → 0",
        "nobody would hold people.manage",
        "node gate-1 would lose all its cameras: 1",
        "--even-if-it-empties",
    ):
        assert word in said
    assert grants(opened) == {("an", "admin", "centre")}, "nothing came into force"
    assert main([*words, "--even-if-it-empties"]) == 0
    assert "version 2 is in force: people 1, nodes 1, cameras 1 → 0" in capsys.readouterr().out
    assert main(words) == 0, "what is in force already ends nothing"


def test_a_node_that_is_gone_with_its_cameras_is_asked_about_and_a_smaller_one_is_not(
    desk: Desk,
) -> None:
    path = desk.catalogue / "centre.yaml"
    text = path.read_text()
    camera = text[text.index("  - id: gate-east") :]
    path.write_text(text + camera.replace("gate-east", "gate-west"))
    desk.apply()
    path.write_text(text)
    assert desk.apply().number == 2, "it has one left"
    path.write_text(text.replace("gate-1", "gate-2"))
    with pytest.raises(apply.EmptyingError, match="node gate-1 would lose all its cameras: 1"):
        desk.apply()
    assert desk.apply(even_if_it_empties=True).number == 3


def test_of_many_blind_nodes_a_few_are_named(desk: Desk) -> None:
    path = desk.catalogue / "centre.yaml"
    text = path.read_text()
    camera, node = text[text.index("  - id: gate-east") :], "  - {id: gate-1, site: gate}\n"
    more = [f"gate-{number}" for number in range(2, 10)]
    nodes = node + "".join(node.replace("gate-1", one) for one in more)
    cameras = "".join(camera.replace("gate-east", f"c-{n}").replace("gate-1", n) for n in more)
    path.write_text(text.replace(node, nodes) + cameras)
    desk.apply()
    path.write_text(without_cameras(path.read_text()))
    with pytest.raises(apply.EmptyingError) as caught:
        desk.apply()
    said = str(caught.value)
    assert "node gate-5 would lose" in said
    assert "gate-6" not in said
    assert "so would 4 more nodes, with cameras: 4" in said


def test_who_was_put_in_charge_by_hand_counts_as_long_as_the_role_is_there(
    desk: Desk, opened: State
) -> None:
    desk.apply()
    accounts = Accounts(opened, "demo")
    declared = load_texts(read_texts(desk.catalogue))
    now_ns = time.time_ns()
    link = accounts.first_link(now_ns=now_ns)
    accounts.use_first_link(
        link, declared, login="lan", name="Lan", password="một câu dễ nhớ", now_ns=now_ns
    )
    desk.change(GUARD, "grants: []")
    assert desk.apply().number == 2, "lan is still there"
    desk.change("catalogue.publish, people.manage]", "catalogue.publish]")
    with pytest.raises(apply.EmptyingError, match=r"people\.manage"):
        desk.apply()


def test_a_version_that_was_compared_with_an_older_one_is_given_again(
    desk: Desk, opened: State
) -> None:
    desk.apply()
    desk.change("after_s: 1", "after_s: 2")
    texts = read_texts(desk.catalogue)
    with pytest.raises(RefusedError, match="version 1 was published meanwhile"):
        apply.publish(opened, load_texts(texts), texts, by="an", why="a race", after=0)
    assert versions.newest_number(opened, "demo") == 1
    assert len(audit.newest(opened, "demo")) == 1


@pytest.mark.influx
def test_data_sources_open_one_bucket_each_and_only_their_owner_may_read_them(
    tmp_path: Path, influx: start.Influx
) -> None:
    desk = Desk(tmp_path / "desk", f"sqlite:///{tmp_path / 's.sqlite'}")
    (desk.folder / "token").write_text(influx.token)
    server = {"kind": "influx", "url": influx.url, "org": influx.org, "token_file": "token"}
    desk.configure(timeseries=server, datasources="secret/datasources.json")
    desk.apply()
    path = desk.folder / "secret" / "datasources.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert set(told) == {"centre", "city"}
    city = told["city"]
    assert city["bucket"] == city["database"] == "demo-scope-city"
    guest = Influx(InfluxSettings(url=city["url"], org=city["org"], token=city["token"]))
    assert list(guest.read("demo-scope-city", "event")) == []
    with pytest.raises(StoreMisconfiguredError):
        list(guest.read("demo-private", "event"))
    desk.apply()
    assert json.loads(path.read_text()) == told, "the tokens stay"
    owner = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    owner.drop("demo-scope-city")
    desk.apply()
    renewed = json.loads(path.read_text())["city"]["token"]
    assert renewed != city["token"], "a token of a bucket that is gone opens nothing"
    again = Influx(InfluxSettings(url=influx.url, org=influx.org, token=renewed))
    assert list(again.read("demo-scope-city", "event")) == []
    for bucket in ("demo-private", "demo-scope-city", "demo-scope-centre"):
        owner.drop(bucket)
    for series in (guest, owner, again):
        series.close()


def ids(catalogue: Catalogue, number: int) -> tuple[int, tuple[str, ...]]:
    return number, tuple(node.id for node in catalogue.nodes)


def test_running_processes_swap_to_it_and_keep_the_last_good(desk: Desk, opened: State) -> None:
    desk.configure(catalogue="catalogue")
    in_force = InForce(opened, load_config(desk.config_path), ids)
    assert in_force.current() == (0, ("gate-1",)), "for a first start the file counts"
    one = "- {id: gate-1, site: gate}"
    desk.change(one, f"{one}\n  {one.replace('gate-1', 'gate-2')}")
    desk.apply()
    until(lambda: in_force.current() == (1, ("gate-1", "gate-2")), "version 1")
    leave(opened, "demo", "x: 1")
    time.sleep(2.5)
    assert in_force.current() == (1, ("gate-1", "gate-2"))
    in_force.close()


def test_what_a_version_declares_is_read_without_its_texts_and_from_them_where_it_must_be(
    opened: State,
) -> None:
    text = MINIMAL.read_text()
    whole = load_texts({"a.yaml": text})
    publish(opened, text)
    first = versions.newest(opened, "demo")
    assert first is not None
    assert first.catalogue() == whole
    assert replace(first, texts={"a.yaml": "centre: ["}).catalogue() == whole, "no YAML is read"

    said = first.checked
    for checked in ("", "{", "{}", said.replace("{", '{"more":1,', 1)):
        leave(opened, "demo", text, checked=checked)
        found = versions.newest(opened, "demo")
        assert found is not None
        assert found.catalogue() == whole
        with pytest.raises(CatalogueRefusedError):
            replace(found, texts={"a.yaml": "centre: ["}).catalogue()


def test_a_version_comes_out_as_the_files_that_it_came_from(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["catalog", "export", "--config", str(desk.config_path)]
    out = desk.folder / "out"
    assert main([*words, "--out", str(out)]) == 2
    assert "has no version yet" in capsys.readouterr().err
    (desk.catalogue / "more").mkdir()
    (desk.catalogue / "more" / "models.yaml").write_text("models: []\n")
    desk.apply(why="first")
    first = read_texts(desk.catalogue)
    desk.change("after_s: 1", "after_s: 2")
    desk.apply(why="later")
    assert main([*words, "--out", str(out)]) == 0
    assert "version 2, published by an (later): 2 files" in capsys.readouterr().out
    assert read_texts(out) == read_texts(desk.catalogue)
    assert main([*words, "--out", str(out), "--number", "1"]) == 0
    assert read_texts(out) == first
    capsys.readouterr()
    for more, said in (("7", "no version 7"), ("2", "mine.yaml is not in version 2")):
        assert main([*words, "--out", str(out), "--number", more]) == 2
        assert said in capsys.readouterr().err
        (out / "mine.yaml").write_text("models: []\n")


def test_while_the_database_is_away_the_version_kept_last_counts(desk: Desk, opened: State) -> None:
    config = load_config(desk.config_path)
    away = State(sa.create_engine("postgresql+psycopg://x@127.0.0.1:1/x"))  # nobody listens there
    kept = KeptVersion(config)
    with pytest.raises(StateUnavailableError):
        InForce(away, config, ids, kept=kept)
    desk.apply()
    InForce(opened, config, ids, kept=kept).close()
    path = desk.folder / "lake" / "demo" / "catalogue.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "cameras' addresses may hold passwords"
    later = InForce(away, config, ids, kept=kept)
    assert later.current() == (1, ("gate-1",))
    later.close()
    whole = path.read_bytes()
    for torn in (whole.replace(b"gate-1", b"gate-9"), whole[:-9], b"\xff", b""):
        path.write_bytes(torn)
        assert kept.read() is None
        with pytest.raises(StateUnavailableError):
            InForce(away, config, ids, kept=kept)
    path.unlink()
    path.mkdir()
    InForce(opened, config, ids, kept=kept).close()
    away.close()


@pytest.mark.broker
def test_a_worker_takes_what_the_new_catalogue_knows(desk: Desk, broker: start.Server) -> None:
    desk.configure(broker={"host": "127.0.0.1", "port": broker.port, "plain": True})
    desk.apply()
    worker = desk.start("cloud", "ingest")
    sender = Sender(broker.port)
    until(lambda: ("w1", True) in sender.ingest, "worker up")
    sender.send(envelope([(1, event(1, camera="gate-west"))]))
    until(lambda: sender.upto() == 1, "dead letter")
    text = (desk.catalogue / "centre.yaml").read_text()
    begin = text.index("  - id: gate-east")
    (desk.catalogue / "centre.yaml").write_text(
        text + text[begin:].replace("gate-east", "gate-west")
    )
    desk.apply()
    until(lambda: "version 2 is in force" in worker.log.read_text(), "swapped")
    sender.send(envelope([(2, event(2, camera="gate-west"))]))
    until(lambda: sender.upto() == 2, "taken")
    assert desk.end(worker) == 0
    until(lambda: ("w1", False) in sender.ingest, "it said goodbye")
    sender.close()
    series = SqliteSeries(desk.folder / "series.sqlite")
    assert series.count("demo-private", "event", "id") == 1
    series.close()
