"""Get, compare, write: a Grafana brought to a catalogue, and left alone when it is there."""

import pytest

from fakes import province
from fakes.grafana import Grafana
from haidang_dashboards.datasources import DataSource
from haidang_dashboards.errors import (
    BoardsError,
    DataSourcesError,
    GrafanaRefusedError,
    GrafanaUnreachableError,
)
from haidang_dashboards.grafana import identity
from haidang_dashboards.grafana.gateway import Gateway, Login
from haidang_dashboards.grafana.provision import Action, Change, bring, wanted
from haidang_protocols.boards.model import BoardKind
from haidang_protocols.catalogue import Catalogue
from servers import start
from servers.grafana import Target, sources_of

SCOPES = ("centre", "cong-an", "vung-tau", "phuong-1", "ba-ria")


def run(
    target: Target,
    catalogue: Catalogue,
    *,
    write: bool = True,
    prune: bool = False,
    sources: dict[str, DataSource] | None = None,
    language: str = "vi",
) -> list[Change]:
    wants = wanted(catalogue, sources or sources_of(catalogue), language=language)
    with target.gateway() as grafana:
        return list(bring(grafana, catalogue, wants, write=write, prune=prune))


def told(changes: list[Change]) -> list[str]:
    return [str(change) for change in changes]


def changed(catalogue: Catalogue, old: str, new: str) -> Catalogue:
    """The same centre with another text."""
    text = province.TEXT.replace("centre: {id: tinh", f"centre: {{id: {catalogue.centre.id}")
    assert old in text
    return province.province(text.replace(old, new))


@pytest.fixture
def applied(target: Target, catalogue: Catalogue) -> Target:
    """A Grafana that has it all."""
    run(target, catalogue)
    return target


def test_each_scope_gets_an_organisation_a_bucket_and_its_boards(
    target: Target, catalogue: Catalogue, centre: str
) -> None:
    changes = run(target, catalogue)
    assert {change.action for change in changes} == {Action.CREATE}
    assert told(changes)[:5] == [
        f"create organisation 'Toàn tỉnh [{centre}/centre]'",
        "create data source centre/Haidang centre",
        "create folder centre/Hải đăng",
        f"create board centre/haidang-security-{centre}-centre",
        f"create board centre/haidang-nodes-{centre}-centre",
    ]
    assert len(changes) == len(SCOPES) * 5
    for scope in SCOPES:
        number = target.organisation(centre, scope)
        _, sources = target.ask("GET", "/api/datasources", organisation=number)
        assert [each["jsonData"]["dbName"] for each in sources] == [f"{centre}-scope-{scope}"]
        assert sources[0]["jsonData"]["httpMode"] == "GET"
        assert sources[0]["jsonData"]["httpHeaderName1"] == "Authorization"
        _, boards = target.ask("GET", "/api/search?type=dash-db", organisation=number)
        assert len(boards) == 2


def test_a_second_time_changes_nothing_and_makes_no_version(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    assert run(applied, catalogue, prune=True) == []
    number = applied.organisation(centre, "centre")
    for kind in BoardKind:
        uid = identity.board_uid(centre, "centre", kind)
        assert applied.versions(uid, organisation=number) == 1


def test_what_a_person_changed_is_told_and_put_back(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    uid = identity.board_uid(centre, "ba-ria", BoardKind.SECURITY)
    path = f"/api/dashboards/uid/{uid}"
    _, found = applied.ask("GET", path, organisation=number)
    edited = {**found["dashboard"], "refresh": "1h"}
    body = {"dashboard": edited, "folderUid": found["meta"]["folderUid"], "overwrite": True}
    assert applied.ask("POST", "/api/dashboards/db", body, organisation=number)[0] == 200

    (change,) = run(applied, catalogue, write=False)
    assert str(change) == f"update board ba-ria/{uid}"
    assert '-  "refresh": "1h",' in change.lines
    assert '+  "refresh": "30s",' in change.lines
    assert applied.versions(uid, organisation=number) == 2

    assert told(run(applied, catalogue)) == [f"update board ba-ria/{uid}"]
    assert applied.versions(uid, organisation=number) == 3
    assert run(applied, catalogue) == []


def test_a_board_that_was_moved_or_deleted_comes_back(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    uid = identity.board_uid(centre, "ba-ria", BoardKind.NODES)
    path = f"/api/dashboards/uid/{uid}"
    _, found = applied.ask("GET", path, organisation=number)
    body = {"dashboard": found["dashboard"], "folderUid": "", "overwrite": True}
    applied.ask("POST", "/api/dashboards/db", body, organisation=number)
    assert told(run(applied, catalogue)) == [f"update board ba-ria/{uid}"]
    _, found = applied.ask("GET", path, organisation=number)
    assert found["meta"]["folderUid"] == identity.folder_uid(centre, "ba-ria")
    applied.ask("DELETE", path, organisation=number)
    assert told(run(applied, catalogue)) == [f"create board ba-ria/{uid}"]


def test_a_new_token_reaches_its_data_source_and_no_other(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    sources = sources_of(catalogue)
    old = sources["ba-ria"]
    sources["ba-ria"] = DataSource(
        url=old.url, bucket=old.bucket, database=old.database, token="rotated-token"
    )
    (change,) = run(applied, catalogue, sources=sources, write=False)
    assert str(change) == "update data source ba-ria/Haidang ba-ria"
    assert "rotated-token" not in "".join(change.lines)
    assert len(run(applied, catalogue, sources=sources)) == 1
    assert run(applied, catalogue, sources=sources) == []


def test_a_data_source_without_its_secret_is_mended(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    uid = identity.data_source_uid(centre, "ba-ria")
    _, found = applied.ask("GET", f"/api/datasources/uid/{uid}", organisation=number)
    applied.ask("DELETE", f"/api/datasources/uid/{uid}", organisation=number)
    bare = {key: found[key] for key in ("uid", "name", "type", "access", "url", "jsonData")}
    applied.ask("POST", "/api/datasources", {**bare, "isDefault": True}, organisation=number)
    assert told(run(applied, catalogue)) == ["update data source ba-ria/Haidang ba-ria"]
    _, found = applied.ask("GET", f"/api/datasources/uid/{uid}", organisation=number)
    assert found["secureJsonFields"] == {"httpHeaderValue1": True}


def test_names_change_and_organisations_stay(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    renamed = changed(
        catalogue,
        "{id: ba-ria, kind: locality, name: {vi: Bà Rịa}",
        "{id: ba-ria, kind: locality, name: {vi: Thành phố Bà Rịa}",
    )
    assert told(run(applied, renamed)) == [
        f"update organisation 'Thành phố Bà Rịa [{centre}/ba-ria]'",
        f"update board ba-ria/haidang-security-{centre}-ba-ria",
        f"update board ba-ria/haidang-nodes-{centre}-ba-ria",
    ]
    assert applied.organisation(centre, "ba-ria") == number
    assert run(applied, renamed) == []


def test_a_renamed_folder_gets_its_name_back(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    uid = identity.folder_uid(centre, "ba-ria")
    body = {"title": "Khác", "overwrite": True}
    assert applied.ask("PUT", f"/api/folders/{uid}", body, organisation=number)[0] == 200
    assert told(run(applied, catalogue)) == ["update folder ba-ria/Hải đăng"]
    assert run(applied, catalogue) == []


def test_to_look_changes_nothing(target: Target, catalogue: Catalogue, centre: str) -> None:
    changes = run(target, catalogue, write=False, prune=True)
    assert len(changes) == len(SCOPES) * 5
    assert target.organisations(centre) == {}
    assert told(run(target, catalogue)) == told(changes), "what was announced is what is done"


def without_nodes(catalogue: Catalogue) -> Catalogue:
    """The market of Bà Rịa loses its node and its camera."""
    text = province.TEXT.replace("centre: {id: tinh", f"centre: {{id: {catalogue.centre.id}")
    kept = text[: text.index("  - id: cho-tay")]
    return province.province(kept.replace("  - {id: cho-1, site: cho}\n", ""))


def test_only_prune_removes_and_only_what_is_haidang_s(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    uid = identity.board_uid(centre, "ba-ria", BoardKind.SECURITY)
    _, found = applied.ask("GET", f"/api/dashboards/uid/{uid}", organisation=number)
    copied = {**found["dashboard"], "uid": "a-person-s-copy", "title": "Bản sao"}
    own = {"uid": "a-person-s-own", "title": "Của tôi", "tags": ["other"], "panels": []}
    for board in (copied, own):
        body = {"dashboard": {k: v for k, v in board.items() if k != "id"}, "overwrite": True}
        assert applied.ask("POST", "/api/dashboards/db", body, organisation=number)[0] == 200

    fewer = without_nodes(catalogue)
    kept = told(run(applied, fewer))
    assert all(line.startswith("update board") for line in kept)
    removed = [
        f"remove board ba-ria/haidang-nodes-{centre}-ba-ria",
        f"remove board ba-ria/haidang-security-{centre}-ba-ria",
    ]
    assert told(run(applied, fewer, write=False, prune=True)) == removed
    assert told(run(applied, fewer, prune=True)) == removed
    assert run(applied, fewer, prune=True) == []
    _, left = applied.ask("GET", "/api/search?type=dash-db", organisation=number)
    assert {each["uid"] for each in left} == {"a-person-s-copy", "a-person-s-own"}


def test_a_scope_that_is_no_more_loses_its_boards_and_its_bucket(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    number = applied.organisation(centre, "ba-ria")
    fewer = province.province(
        province.TEXT.replace("centre: {id: tinh", f"centre: {{id: {centre}")
        .replace("  - {id: ba-ria, kind: locality, name: {vi: Bà Rịa}, places: [ba-ria]}\n", "")
        .replace("{role: viewer, scope: ba-ria}", "{role: viewer, scope: centre}")
    )
    assert run(applied, fewer) == []
    assert told(run(applied, fewer, prune=True)) == [
        f"remove board ba-ria/haidang-nodes-{centre}-ba-ria",
        f"remove board ba-ria/haidang-security-{centre}-ba-ria",
        "remove data source ba-ria/Haidang ba-ria",
    ]
    _, sources = applied.ask("GET", "/api/datasources", organisation=number)
    assert sources == []
    assert applied.organisation(centre, "ba-ria") == number, "its people stay where they are"


def test_two_centres_share_a_grafana_and_touch_nothing_of_each_other(
    applied: Target, catalogue: Catalogue, centre: str
) -> None:
    other_id = f"{centre}-b"
    other = changed(catalogue, f"centre: {{id: {centre}", f"centre: {{id: {other_id}")
    assert len(run(applied, other, prune=True)) == len(SCOPES) * 5
    assert run(applied, catalogue, prune=True) == []
    for number in applied.organisations(other_id).values():
        applied.ask("DELETE", f"/api/orgs/{number}")


# --- what a real Grafana does only by hand: the stand-in alone -----------------------------------


@pytest.fixture
def alone(stand_in: Grafana) -> Target:
    """The stand-in, to be spoilt."""
    return Target(stand_in.url, Login(user="admin", password="admin-secret"))


def test_nothing_is_written_when_nothing_differs(
    stand_in: Grafana, alone: Target, catalogue: Catalogue
) -> None:
    run(alone, catalogue)
    before = len(stand_in.writes())
    run(alone, catalogue, prune=True)
    run(alone, catalogue, write=False)
    assert len(stand_in.writes()) == before


def test_the_user_stays_in_the_organisation_they_were_in(
    stand_in: Grafana, alone: Target, catalogue: Catalogue
) -> None:
    run(alone, catalogue)
    assert stand_in.users["admin"].using == 1


def test_what_comes_from_a_file_is_left_alone_with_a_sentence(
    stand_in: Grafana, alone: Target, catalogue: Catalogue, centre: str
) -> None:
    run(alone, catalogue)
    organisation = stand_in.named(f"Bà Rịa [{centre}/ba-ria]")
    board = organisation.boards[identity.board_uid(centre, "ba-ria", BoardKind.NODES)]
    board.provisioned = True
    assert run(alone, catalogue) == [], "as long as it is as wanted, nobody minds"
    board.versions[-1]["refresh"] = "1h"
    with pytest.raises(
        BoardsError, match=r"comes from a file of Grafana's own .*: remove it there"
    ):
        run(alone, catalogue)
    board.provisioned = False
    source = organisation.sources[identity.data_source_uid(centre, "ba-ria")]
    source |= {"readOnly": True, "url": "http://elsewhere"}
    with pytest.raises(BoardsError, match=r"data source ba-ria/.* comes from a file"):
        run(alone, catalogue)


def test_a_failure_half_way_is_finished_by_the_same_command(
    stand_in: Grafana, alone: Target, catalogue: Catalogue
) -> None:
    stand_in.script["POST", "/api/folders"] = (500, b'{"message":"database is locked"}')
    with pytest.raises(GrafanaRefusedError, match="500 database is locked") as caught:
        run(alone, catalogue)
    assert caught.value.status == 500
    assert len(run(alone, catalogue)) == len(SCOPES) * 5 - 2
    assert run(alone, catalogue) == []


def test_a_save_that_came_between_is_not_overwritten(
    stand_in: Grafana, alone: Target, catalogue: Catalogue
) -> None:
    body = b'{"message":"The dashboard has been changed by someone else"}'
    stand_in.script["POST", "/api/dashboards/db"] = (412, body)
    with pytest.raises(GrafanaRefusedError, match="412 The dashboard has been changed by someone"):
        run(alone, catalogue)


def test_a_name_that_somebody_else_took_is_told(
    stand_in: Grafana, alone: Target, catalogue: Catalogue, centre: str
) -> None:
    stand_in.users["admin"].using = 1
    number = alone.ask("POST", "/api/orgs", {"name": f"Toàn tỉnh [{centre}/centre]"})[1]["orgId"]
    taken = {"uid": "by-hand", "name": "Haidang centre", "type": "influxdb", "access": "proxy"}
    alone.ask("POST", "/api/datasources", {**taken, "jsonData": {}}, organisation=number)
    with pytest.raises(GrafanaRefusedError, match="make the data source 'Haidang centre': 409"):
        run(alone, catalogue)


def test_an_organisation_that_is_there_twice_is_a_person_s_to_sort_out(
    alone: Target, catalogue: Catalogue, centre: str
) -> None:
    for name in ("Một", "Hai"):
        alone.ask("POST", "/api/orgs", {"name": f"{name} [{centre}/centre]"})
    with pytest.raises(BoardsError, match=r"2 organisations whose names end in .*: rename all but"):
        run(alone, catalogue)


def test_who_may_not_is_told_what_is_needed(
    stand_in: Grafana, alone: Target, catalogue: Catalogue, centre: str
) -> None:
    alone.ask("POST", "/api/admin/users", {"login": "an", "password": "an-secret", "name": "An"})
    guest = Target(alone.url, Login(user="an", password="an-secret"))
    with pytest.raises(
        GrafanaRefusedError, match=r"lets 'an' not list the organisations: .*server"
    ):
        run(guest, catalogue)
    run(alone, catalogue)
    stand_in.users["an"].server_admin = True
    with pytest.raises(GrafanaRefusedError, match="administrator of the organisation too"):
        run(guest, catalogue)
    wrong = Target(alone.url, Login(user="an", password="guessed"))
    with pytest.raises(GrafanaRefusedError, match="does not take this password of 'an'") as caught:
        run(wrong, catalogue)
    assert "guessed" not in str(caught.value)


def test_something_else_that_answers_is_no_grafana(
    stand_in: Grafana, alone: Target, catalogue: Catalogue
) -> None:
    for body in (b"<html>log in</html>", b'{"hello":"world"}'):
        stand_in.script["GET", "/api/orgs"] = (200, body)
        with pytest.raises(GrafanaUnreachableError, match="is no Grafana"):
            run(alone, catalogue)


def test_nobody_answers(catalogue: Catalogue) -> None:
    login = Login(user="admin", password="secret")
    gone = Target(f"http://127.0.0.1:{start.free_port()}", login)
    with pytest.raises(GrafanaUnreachableError, match=r"cannot be reached: .*refused"):
        run(gone, catalogue)
    with pytest.raises(GrafanaUnreachableError, match="cannot be reached"):
        run(Target("http://grafana.invalid:3000", login), catalogue)


@pytest.mark.parametrize("url", ["grafana:3000", "ftp://grafana", "http://", "", "http://a:b@c"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BoardsError, match="--grafana"):
        Gateway(url, Login(user="admin", password="secret"))


def test_a_scope_without_a_bucket_is_told_before_anything_is_done(catalogue: Catalogue) -> None:
    sources = sources_of(catalogue)
    del sources["ba-ria"], sources["cong-an"]
    with pytest.raises(DataSourcesError, match=r"lack scope cong-an, ba-ria; .*catalog apply"):
        wanted(catalogue, sources, language="vi")


def test_secrets_stay_out_of_what_is_printed(catalogue: Catalogue) -> None:
    assert "secret" not in repr(Login(user="admin", password="secret"))
    assert "token-of" not in repr(sources_of(catalogue))
