"""What Grafana does when it is asked directly: what the stand-in keeps, a real one does too."""

import secrets

from haidang_dashboards.grafana.gateway import Login
from servers.grafana import Target

UID = "haidang-test-board"
BOARD = {"uid": UID, "title": "Bảng", "tags": ["haidang"], "panels": []}
SOURCE = {
    "uid": "haidang-test-source",
    "name": "Nguồn",
    "type": "influxdb",
    "access": "proxy",
    "url": "http://127.0.0.1:1",
    "jsonData": {"dbName": "b", "httpMode": "GET", "httpHeaderName1": "Authorization"},
    "secureJsonData": {"httpHeaderValue1": "Token secret-token"},
}


def organisation(target: Target, centre: str) -> int:
    status, made = target.ask("POST", "/api/orgs", {"name": f"Thử [{centre}/x]"})
    assert status == 200
    number: int = made["orgId"]
    return number


def save(target: Target, number: int, **options: object) -> int:
    body = {"dashboard": BOARD, "overwrite": False, **options}
    return target.ask("POST", "/api/dashboards/db", body, organisation=number)[0]


def test_to_make_a_thing_twice_is_refused(target: Target, centre: str) -> None:
    number = organisation(target, centre)
    folder = {"uid": "haidang-test-folder", "title": "Thư mục"}
    wanted = [
        ("/api/orgs", {"name": f"Thử [{centre}/x]"}, [409]),
        ("/api/folders", folder, [200, 412]),
        ("/api/datasources", SOURCE, [200, 409]),
    ]
    for path, body, statuses in wanted:
        found = [target.ask("POST", path, body, organisation=number)[0] for _ in statuses]
        assert found == statuses, path


def test_every_save_is_a_new_version_even_of_the_same(target: Target, centre: str) -> None:
    number = organisation(target, centre)
    assert [save(target, number, overwrite=True) for _ in range(3)] == [200, 200, 200]
    assert target.versions(UID, organisation=number) == 3


def test_a_save_over_something_newer_is_refused(target: Target, centre: str) -> None:
    number = organisation(target, centre)
    assert save(target, number) == 200
    assert save(target, number, dashboard={**BOARD, "version": 1}) == 200
    assert save(target, number, dashboard={**BOARD, "version": 1}) == 412


def test_what_is_stored_is_what_was_sent_but_for_id_and_version(
    target: Target, centre: str
) -> None:
    number = organisation(target, centre)
    save(target, number)
    _, found = target.ask("GET", f"/api/dashboards/uid/{UID}", organisation=number)
    stored = found["dashboard"]
    assert stored.pop("version") == 1
    assert stored.pop("id")
    assert stored == BOARD


def test_a_secret_does_not_come_back(target: Target, centre: str) -> None:
    number = organisation(target, centre)
    target.ask("POST", "/api/datasources", SOURCE, organisation=number)
    _, found = target.ask("GET", f"/api/datasources/uid/{SOURCE['uid']}", organisation=number)
    assert "secret-token" not in repr(found)
    assert found["secureJsonFields"] == {"httpHeaderValue1": True}
    assert found["jsonData"] == SOURCE["jsonData"]


def test_a_viewer_changes_nothing_but_asks_every_data_source(target: Target, centre: str) -> None:
    """So a scope's bucket must be a wall by itself: Grafana is none."""
    number = organisation(target, centre)
    target.ask("POST", "/api/datasources", SOURCE, organisation=number)
    save(target, number)
    viewer = Login(user=f"v{secrets.token_hex(4)}", password="viewer-secret")
    made = {"login": viewer.user, "password": viewer.password, "name": "Người xem"}
    assert target.ask("POST", "/api/admin/users", made)[0] == 200
    role = {"loginOrEmail": viewer.user, "role": "Viewer"}
    assert target.ask("POST", f"/api/orgs/{number}/users", role)[0] == 200

    def status(verb: str, path: str, body: object = None) -> int:
        return target.ask(verb, path, body, organisation=number, login=viewer)[0]

    board = f"/api/dashboards/uid/{UID}"
    assert status("GET", board) == 200
    assert status("DELETE", board) == 403
    assert status("POST", "/api/dashboards/db", {"dashboard": BOARD, "overwrite": True}) == 403
    assert status("GET", f"/api/datasources/uid/{SOURCE['uid']}") == 403
    assert status("GET", "/api/orgs") == 403
    query = {
        "refId": "A",
        "datasource": {"type": "influxdb", "uid": SOURCE["uid"]},
        "query": "SHOW MEASUREMENTS",
        "rawQuery": True,
    }
    assert status("POST", "/api/ds/query", {"queries": [query]}) not in (401, 403)


def test_a_user_is_in_one_organisation_at_a_time_or_where_the_header_says(
    target: Target, centre: str
) -> None:
    number = organisation(target, centre)
    _, home = target.ask("GET", "/api/org")
    assert home["id"] != number
    assert target.ask("GET", "/api/org", organisation=number)[1]["id"] == number
    assert target.ask("POST", f"/api/user/using/{number}")[0] == 200
    assert target.ask("GET", "/api/org")[1]["id"] == number
    assert target.ask("POST", f"/api/user/using/{home['id']}")[0] == 200


def test_a_wrong_password_is_refused(target: Target) -> None:
    login = Login(user=target.login.user, password="wrong")
    assert target.ask("GET", "/api/org", login=login)[0] == 401
