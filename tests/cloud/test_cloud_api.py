"""The API over a real socket, on both databases: getting in, cases, rights, and every error."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
import yaml
from argon2 import PasswordHasher

from fakes.province import SECOND_NS, SPOOL, TEXT, alarm_of, payload_of, province
from haidang_cloud.api import Parts, Ruling, make_app
from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseDesk
from haidang_cloud.ingest import Directory
from haidang_cloud.ingest.replay import replay
from haidang_cloud.ingest.writer import Stores
from haidang_cloud.lake import Archive
from haidang_cloud.people import Accounts, audit
from haidang_cloud.state import State, deadletter, nodes, outbox
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries import SqliteSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.lines import lines_of_heartbeat
from haidang_protocols.wire import topics
from haidang_protocols.wire.messages import (
    Birth,
    CameraBirth,
    CameraHealth,
    CameraState,
    ClockState,
    Heartbeat,
)
from haidang_protocols.wire.topics import NodeLeaf
from servers.start import free_port, wait_until

CATALOGUE = province()
T = 1_700_000_000 * SECOND_NS
GOOD = "mật khẩu dài 1"
ORIGIN = "http://ioc.test"
OURS = {"X-Haidang": "1"}
JSON = {"Content-Type": "application/json"}
HAIDANG = Path(sys.executable).parent / "haidang"


class Served:
    """The app behind a real uvicorn, with a client for each person."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(make_app(parts), log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        wait_until(lambda: self._server.started, what="the API")
        self._clients: list[httpx.Client] = []

    def client(self, **headers: str) -> httpx.Client:
        made = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        self._clients.append(made)
        return made

    def token(self, login: str) -> httpx.Client:
        """Somebody with an API token."""
        person = next(one for one in self.parts.accounts.everybody() if one.login == login)
        _, secret = self.parts.accounts.make_token(
            person, label="", days=9, now_ns=self.parts.now_ns()
        )
        return self.client(Authorization=f"Bearer {secret}")

    def admin(self) -> httpx.Client:
        """The first administrator, logged in by password."""
        client = self.client(**OURS)
        link = self.parts.accounts.first_link(now_ns=self.parts.now_ns())
        asked = {"link": link, "login": "lan", "name": "Lan", "password": GOOD}
        assert client.post("/api/v1/setup/first", json=asked).status_code == 201
        said = client.post("/api/v1/session", json={"login": "lan", "password": GOOD})
        assert said.status_code == 201
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def parts(state: State, tmp_path: Path) -> Iterator[Parts]:
    series = SqliteSeries(tmp_path / "series.sqlite")
    series.ensure(private_bucket("tinh"))
    accounts = Accounts(
        state, "tinh", hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
    with state.write() as connection:
        accounts.synchronise(connection, CATALOGUE, 1)
    ruling = Ruling(CATALOGUE, 0)
    blobs = Blobs(tmp_path / "blobs", state, centre="tinh")
    archive = Archive(tmp_path / "archive", worker="api")
    stores = Stores(
        centre="tinh",
        state=state,
        series=series,
        archive=archive,
        blobs=blobs,
        keep_pictures_ns=SECOND_NS,
    )
    directory = Directory(CATALOGUE, 0)
    yield Parts(
        centre="tinh",
        origin=ORIGIN,
        state=state,
        series=series,
        accounts=accounts,
        blobs=blobs,
        ruling=lambda: ruling,
        replay=lambda letter, by: next(replay(stores, directory, [letter], by=by)),
        now_ns=lambda: T,
    )
    archive.close()
    series.close()


@pytest.fixture
def api(parts: Parts) -> Iterator[Served]:
    served = Served(parts)
    yield served
    served.close()


def number(seq: int) -> str:
    return f"alert-cong-1-{SPOOL}-{seq}"


def raise_cases(parts: Parts, count: int = 1, *, camera: str = "cong-dong", first: int = 1) -> None:
    rows = [
        Alarm(
            centre="tinh",
            record_id=f"cong-1.{SPOOL}.{seq}",
            site="cong",
            node="cong-1",
            received_ns=T,
            payload=payload_of(alarm_of(f"e{seq}", T + seq, camera=camera)),
        )
        for seq in range(first, first + count)
    ]
    outbox.add(parts.state, rows)
    CaseDesk(parts.state, "tinh").consume(Directory(CATALOGUE, 0).owner, now_ns=T + 5)


def problem(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:haidang:problem:{reason}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["code"].partition(".")[0] == reason
    return body


# --- getting in ---------------------------------------------------------------------------------


def test_the_link_makes_an_administrator_who_invites_a_guard(api: Served) -> None:
    admin = api.admin()
    me = admin.get("/api/v1/me").json()
    assert (me["login"], me["grants"]) == ("lan", [{"role": "admin", "scope": "centre"}])
    assert "ba-ria" in me["rights"]["people.manage"]
    asked = {"link": "again", "login": "eve", "name": "", "password": GOOD}
    problem(admin.post("/api/v1/setup/first", json=asked), 410, "link")

    people = {one["login"] for one in admin.get("/api/v1/people").json()}
    assert people == {"an", "binh", "chi", "lan"}
    made = admin.post("/api/v1/people/an/link").json()
    address, _, secret = made["link"].partition("#password=")
    assert address == f"{ORIGIN}/setup"
    guard = api.client(**OURS)
    asked = {"link": secret, "password": GOOD}
    assert guard.post("/api/v1/setup/password", json=asked).status_code == 204
    problem(guard.post("/api/v1/setup/password", json=asked), 410, "link")
    said = guard.post("/api/v1/session", json={"login": "an", "password": GOOD})
    assert said.json()["rights"] == {
        "case.read": ["phuong-1"],
        "case.answer": ["phuong-1"],
        "snapshot.read": ["phuong-1"],
    }
    problem(guard.get("/api/v1/people"), 403, "forbidden")
    problem(guard.post("/api/v1/people/lan/link"), 403, "forbidden")
    problem(admin.post("/api/v1/people/zoe/link"), 404, "unknown")
    page = guard.get("/setup")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Mật khẩu" in page.text


def test_nobody_makes_a_way_in_to_who_may_do_more(api: Served) -> None:
    admin = api.admin()
    text = TEXT.replace(
        "- {login: chi, name: Lê Chi, grants: [{role: viewer, scope: ba-ria}]}",
        "- {login: chi, name: Lê Chi, grants: [{role: people-only, scope: centre}]}",
    )
    other = province(text)
    with api.parts.state.write() as connection:
        api.parts.accounts.synchronise(connection, other, 2)
    clerk = api.token("chi")
    problem(clerk.post("/api/v1/people/lan/link"), 403, "forbidden")
    assert clerk.post("/api/v1/people/chi/link").status_code == 201
    assert admin.post("/api/v1/people/chi/link").status_code == 201


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(api: Served) -> None:
    client = api.admin()
    (cookie,) = client.cookies.jar
    assert cookie.name == "haidang"
    kept = client.post("/api/v1/session", json={"login": "lan", "password": GOOD})
    attributes = {word.strip().lower() for word in kept.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes
    assert client.delete("/api/v1/session").status_code == 204
    problem(client.get("/api/v1/me"), 401, "login")


def test_over_https_the_cookie_is_bound_to_the_host(parts: Parts) -> None:
    served = Served(replace(parts, origin="https://ioc.test"))
    try:
        client = served.client(**OURS)
        link = parts.accounts.first_link(now_ns=T)
        asked = {"link": link, "login": "lan", "name": "", "password": GOOD}
        assert client.post("/api/v1/setup/first", json=asked).status_code == 201
        said = client.post("/api/v1/session", json={"login": "lan", "password": GOOD})
        head = said.headers["set-cookie"]
        assert head.startswith("__Host-haidang=")
        assert "secure" in head.lower()
        assert "domain" not in head.lower()
    finally:
        served.close()


def test_another_site_can_change_nothing_with_the_cookie(api: Served) -> None:
    client = api.admin()
    del client.headers["X-Haidang"]
    asked = {"label": "x"}
    problem(client.post("/api/v1/tokens", json=asked), 403, "origin")
    evil = {"Origin": "https://evil.test", **OURS}
    problem(client.post("/api/v1/tokens", json=asked, headers=evil), 403, "origin")
    login = {"login": "lan", "password": GOOD}
    problem(client.post("/api/v1/session", json=login, headers=evil), 403, "origin")
    assert client.post("/api/v1/tokens", json=asked, headers=OURS).status_code == 201
    mine = {"Origin": ORIGIN}
    assert client.post("/api/v1/tokens", json=asked, headers=mine).status_code == 201
    assert client.get("/api/v1/tokens").status_code == 200
    # a form of another site is not read at all
    form = client.post("/api/v1/tokens", data={"label": "x"}, headers=OURS)
    problem(form, 422, "invalid")


def test_tokens_act_for_me_until_i_end_them(api: Served) -> None:
    admin = api.admin()
    made = admin.post("/api/v1/tokens", json={"label": "bốt gác", "days": 3}).json()
    machine = api.client(Authorization=f"Bearer {made['token']}")
    assert machine.get("/api/v1/me").json()["login"] == "lan"
    problem(machine.post("/api/v1/tokens", json={"label": "y"}), 403, "forbidden")
    (shown,) = admin.get("/api/v1/tokens").json()
    assert (shown["id"], shown["label"], shown["revoked"]) == (made["id"], "bốt gác", None)
    assert made["token"] not in str(shown)
    problem(api.token("an").delete(f"/api/v1/tokens/{made['id']}"), 404, "unknown")
    assert admin.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    said = machine.get("/api/v1/me")
    problem(said, 401, "login")
    assert said.headers["www-authenticate"].startswith("Bearer")


def test_guessing_is_slowed_down(api: Served) -> None:
    client = api.client(**OURS)
    wrong = {"login": "an", "password": "wrong"}
    for _ in range(5):
        problem(client.post("/api/v1/session", json=wrong), 401, "credentials")
    said = client.post("/api/v1/session", json=wrong)
    body = problem(said, 429, "throttled")
    assert int(said.headers["retry-after"]) > 0
    assert "try again in" in body["detail"]


# --- cases --------------------------------------------------------------------------------------


def test_a_guard_sees_and_answers_the_cases_of_their_scope(api: Served) -> None:
    raise_cases(api.parts)
    raise_cases(api.parts, camera="cho-tay", first=50)
    guard = api.token("an")
    (found,) = guard.get("/api/v1/cases").json()["cases"]
    assert (found["id"], found["state"], found["scope"]) == (number(1), "raised", "phuong-1")
    assert found["t"].startswith("2023-11-14T22:13:20")
    whole = guard.get(f"/api/v1/cases/{number(1)}").json()
    assert whole["answers"] == ["acknowledged", "on_scene", "false"]
    said = guard.post(
        f"/api/v1/cases/{number(1)}/answers", json={"answer": "acknowledged", "note": "đang tới"}
    ).json()
    assert (said["state"], said["by"], said["note"]) == ("acknowledged", "an", "đang tới")
    assert [(step["actor"], step["action"]) for step in said["steps"]] == [
        ("", "raised"),
        ("an", "acknowledged"),
    ]
    for path in (number(50), number(99), "x"):
        problem(guard.get(f"/api/v1/cases/{path}"), 404, "unknown")
    problem(guard.get("/api/v1/cases", params={"scope": "ba-ria"}), 403, "forbidden")
    viewer = api.token("chi")
    assert [one["id"] for one in viewer.get("/api/v1/cases").json()["cases"]] == [number(50)]
    refused = viewer.post(f"/api/v1/cases/{number(50)}/answers", json={"answer": "acknowledged"})
    assert "case.answer" in problem(refused, 403, "forbidden")["detail"]


def test_who_comes_second_is_told_who_was_first(api: Served) -> None:
    raise_cases(api.parts)
    answers: list[httpx.Response] = []
    path, body = f"/api/v1/cases/{number(1)}/answers", {"answer": "acknowledged"}
    clients = [api.token("an"), api.token("binh")]
    threads = [
        threading.Thread(target=lambda c=client: answers.append(c.post(path, json=body)))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert first.status_code == 200
    said = problem(second, 409, "conflict")
    assert said["case"] == {
        "id": number(1),
        "state": "acknowledged",
        "by": first.json()["by"],
    }


def test_an_answer_sent_again_under_its_id_is_the_same(api: Served) -> None:
    raise_cases(api.parts)
    guard, other = api.token("an"), api.token("binh")
    path, body = f"/api/v1/cases/{number(1)}/answers", {"answer": "acknowledged", "id": "7"}
    assert [guard.post(path, json=body).status_code for _ in range(2)] == [200, 200]
    problem(other.post(path, json=body), 409, "conflict")
    assert len(guard.get(f"/api/v1/cases/{number(1)}").json()["steps"]) == 2


def test_pages_and_states(api: Served) -> None:
    raise_cases(api.parts, 5)
    guard = api.token("an")
    guard.post(f"/api/v1/cases/{number(3)}/answers", json={"answer": "false"})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = guard.get("/api/v1/cases", params={"limit": 2, **cursor}).json()
        seen += [one["id"] for one in page["cases"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == [number(seq) for seq in (1, 2, 4, 5)]
    found = guard.get("/api/v1/cases", params={"state": ["false_alarm", "closed"]}).json()
    assert [one["id"] for one in found["cases"]] == [number(3)]
    for odd in ("x", "1", ".", "9" * 30 + ".x", "١.x"):
        problem(guard.get("/api/v1/cases", params={"cursor": odd}), 422, "cursor")


def test_a_picture_is_shown_to_who_may_and_the_look_is_kept(api: Served) -> None:
    raise_cases(api.parts)
    guard, path = api.token("an"), f"/api/v1/cases/{number(1)}/snapshot"
    problem(guard.get(path), 404, "unknown")
    api.parts.blobs.put(
        f"cong-1.{SPOOL}.1", b"\xff\xd8 jpeg", camera="cong-dong", now_ns=T, keep_ns=SECOND_NS
    )
    said = guard.get(path)
    assert said.content == b"\xff\xd8 jpeg"
    assert said.headers["content-type"] == "image/jpeg"
    assert said.headers["cache-control"] == "no-store"
    raise_cases(api.parts, camera="cho-tay", first=50)
    viewer = api.token("chi")
    problem(viewer.get(f"/api/v1/cases/{number(50)}/snapshot"), 403, "forbidden")


# --- the centre ---------------------------------------------------------------------------------


def test_nodes_are_shown_with_birth_and_last_heartbeat(api: Served) -> None:
    clock = ClockState(boot="b", mono=1, wall=T, synced=True)
    birth = Birth(
        spool=SPOOL, next_seq=1, agent="0.1", cameras=(CameraBirth(id="cong-dong"),), clock=clock
    )
    with api.parts.state.write() as connection:
        born = nodes.Born(site="cong", node="cong-1", birth=birth, seen_ns=T)
        nodes.mark(api.parts.state, connection, "tinh", [born])
    for at in (T - 50 * SECOND_NS, T - 10 * SECOND_NS):
        beat = Heartbeat(
            at=at,
            clock=clock,
            spool_depth=at // SECOND_NS % 100,
            cameras=(CameraHealth(id="cong-dong", state=CameraState.LIVE, fps=5.0),),
        )
        lines = lines_of_heartbeat(beat, site="cong", node="cong-1")
        api.parts.series.write(private_bucket("tinh"), [line.encode() for line in lines])
    admin = api.admin()
    shown = {one["id"]: one for one in admin.get("/api/v1/nodes").json()}
    assert set(shown) == {"cong-1", "cho-1"}
    assert shown["cong-1"]["birth"]["cameras"] == ["cong-dong"]
    health = shown["cong-1"]["health"]
    assert health["at"] == "2023-11-14T22:13:10Z"
    assert health["fields"]["spool_depth"] == 90
    assert health["cameras"]["cong-dong"]["state"] == "live"
    assert shown["cho-1"]["birth"] is shown["cho-1"]["health"] is None
    assert api.token("an").get("/api/v1/nodes").json() == []
    api.parts.series.drop(private_bucket("tinh"))
    shown = {one["id"]: one for one in admin.get("/api/v1/nodes").json()}
    assert shown["cong-1"]["health"] is None
    assert shown["cong-1"]["birth"] is not None


def test_dead_letters_audit_and_catalogue(api: Served) -> None:
    deadletter.keep(
        api.parts.state,
        [
            Letter(
                centre="tinh",
                topic="t",
                reason="future" if seq else "malformed",
                message="m",
                payload=b"\xff\0{" * 1000,
                at_ns=T,
                seq=seq,
            )
            for seq in range(3)
        ],
    )
    admin, guard = api.admin(), api.token("an")
    page = admin.get("/api/v1/deadletters", params={"limit": 2}).json()
    assert [one["seq"] for one in page["letters"]] == [0, 1]
    assert page["letters"][0]["payload_bytes"] == 3000
    assert page["letters"][0]["payload"].startswith("\\xff")
    rest = admin.get("/api/v1/deadletters", params={"after": page["next"]}).json()
    assert ([one["seq"] for one in rest["letters"]], rest["next"]) == ([2], None)
    some = admin.get("/api/v1/deadletters", params={"reason": "malformed"}).json()
    assert [one["seq"] for one in some["letters"]] == [0]
    log = admin.get("/api/v1/audit", params={"limit": 2}).json()
    assert [line["action"] for line in log["lines"]] == ["token.make", "session.begin"]
    older = admin.get("/api/v1/audit", params={"before": log["next"]}).json()
    assert (older["lines"][-1]["number"], older["next"]) == (1, None)
    audit.verify(api.parts.state, "tinh")
    for path in ("/api/v1/deadletters", "/api/v1/audit"):
        problem(guard.get(path), 403, "forbidden")
    told = guard.get("/api/v1/catalogue").json()
    assert (told["centre"], told["number"], told["cameras"]) == ("tinh", 0, 2)


def test_a_dead_letter_is_judged_again_in_a_name(api: Served) -> None:
    def letter(camera: str, seq: int) -> Letter:
        return Letter(
            centre="tinh",
            topic=topics.node_topic("tinh", "cong", "cong-1", NodeLeaf.RECORDS),
            reason="unknown_camera",
            message="m",
            payload=payload_of(alarm_of(f"e{seq}", T, camera=camera)),
            at_ns=T,
            node="cong-1",
            spool=SPOOL,
            seq=seq,
        )

    # the first one's camera is in the catalogue by now
    deadletter.keep(api.parts.state, [letter("cong-dong", 1), letter("cong-xa", 2)])
    admin = api.admin()
    first, second = admin.get("/api/v1/deadletters").json()["letters"]
    done = admin.post(f"/api/v1/deadletters/{first['id']}/replay").json()
    assert done == {"id": first["id"], "taken": True, "why": ""}
    assert api.parts.series.count(private_bucket("tinh"), "event", "rule") == 1
    done = admin.post(f"/api/v1/deadletters/{second['id']}/replay").json()
    assert (done["taken"], "cong-xa" in done["why"]) == (False, True)
    left = admin.get("/api/v1/deadletters").json()["letters"]
    assert [one["id"] for one in left] == [second["id"]]
    line = audit.newest(api.parts.state, "tinh", limit=1)[0]
    assert (line.actor, line.action) == ("lan", "deadletter.replay")
    problem(admin.post("/api/v1/deadletters/99/replay"), 404, "unknown")
    problem(api.token("an").post(f"/api/v1/deadletters/{first['id']}/replay"), 403, "forbidden")


def test_health_needs_no_log_in(api: Served) -> None:
    client = api.client()
    for path in ("/healthz", "/readyz"):
        assert client.get(path).json() == {"status": "ok"}


# --- errors -------------------------------------------------------------------------------------

CLOSED = [
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/1"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/people"),
    ("POST", "/api/v1/people/an/link"),
    ("GET", "/api/v1/cases"),
    ("GET", "/api/v1/cases/x"),
    ("POST", "/api/v1/cases/x/answers"),
    ("GET", "/api/v1/cases/x/snapshot"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/deadletters"),
    ("POST", "/api/v1/deadletters/1/replay"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/catalogue"),
]
OPEN = [
    ("POST", "/api/v1/setup/first"),
    ("POST", "/api/v1/setup/password"),
    ("POST", "/api/v1/session"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
]


def test_every_operation_is_described_and_every_closed_one_asks_who_it_is(api: Served) -> None:
    client = api.client()
    said = client.get("/api/v1/openapi.json").json()
    described = {
        (method.upper(), re.sub("{[^}]*}", "*", path))
        for path, methods in said["paths"].items()
        for method in methods
    }
    known = {(method, re.sub(r"/(1|x|an)(?=/|$)", "/*", path)) for method, path in CLOSED + OPEN}
    assert described == known
    ids = set()
    for methods in said["paths"].values():
        for one in methods.values():
            ids.add(one["operationId"])
            assert one["summary"]
            assert one["description"]
            assert "application/problem+json" in one["responses"]["default"]["content"]
            assert "422" not in one["responses"]
    assert len(ids) == len(known)
    assert set(said["components"]["securitySchemes"]) == {"token", "session"}
    schemas = {f"#/components/schemas/{name}" for name in said["components"]["schemas"]}
    assert set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(said))) == schemas
    for method, path in CLOSED:
        body = {"label": "x", "answer": "done"} if method == "POST" else None
        sent = client.request(method, path, json=body)
        problem(sent, 401, "login")
        odd = client.request(
            method, path, headers={"Authorization": "Bearer hd_x", "Cookie": "haidang=x"}
        )
        problem(odd, 401, "login")


def test_what_is_wrong_with_a_request_is_told_without_repeating_it(api: Served) -> None:
    client = api.client(**OURS)
    said = client.post("/api/v1/session", json={"login": "", "pasword": "geheim"})
    body = problem(said, 422, "invalid")
    assert {one["where"] for one in body["mistakes"]} == {
        "body.login",
        "body.password",
        "body.pasword",
    }
    assert "geheim" not in said.text
    torn = client.post("/api/v1/session", content=b"{", headers=JSON)
    problem(torn, 422, "invalid")
    problem(client.get("/api/v1/none"), 404, "not_found")
    problem(client.get("/api/v1/cases/"), 404, "not_found")
    wrong = client.put("/api/v1/session")
    problem(wrong, 405, "method")
    assert "POST" in wrong.headers["allow"]
    large = client.post("/api/v1/session", json={"login": "a", "password": "x" * 100_000})
    problem(large, 413, "too_large")
    endless = client.post("/api/v1/session", content=iter([b" " * 50_000] * 3), headers=JSON)
    problem(endless, 413, "too_large")
    short = {"link": "x", "login": "a", "password": "short"}
    problem(client.post("/api/v1/setup/first", json=short), 422, "invalid")
    named = {"link": "x", "login": "A b", "password": GOOD}
    problem(client.post("/api/v1/setup/first", json=named), 422, "value")


def test_a_fault_of_ours_shows_no_code(parts: Parts) -> None:
    def broken() -> Ruling:
        raise RuntimeError("geheim")

    served = Served(replace(parts, ruling=broken))
    try:
        said = served.token("an").get("/api/v1/me")
        problem(said, 500, "fault")
        assert "geheim" not in said.text
        assert "Traceback" not in said.text
    finally:
        served.close()


def test_a_database_that_is_away_is_told_as_such(parts: Parts) -> None:
    away = State(sa.create_engine("postgresql+psycopg://x@127.0.0.1:1/x"))  # nobody listens there
    served = Served(replace(parts, state=away))
    try:
        said = served.client().get("/readyz")
        problem(said, 503, "away")
        assert said.headers["retry-after"]
    finally:
        served.close()
        away.close()


# --- the process --------------------------------------------------------------------------------


def test_serve_api_prints_a_link_that_makes_the_first_administrator(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "tinh.yaml").write_text(TEXT)
    config = tmp_path / "centre.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "centre": "tinh",
                "state": "sqlite:///state.sqlite",
                "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
                "lake": "lake",
                "blobs": "blobs",
                "catalogue": "tinh.yaml",
                "api": {"port": port, "origin": f"http://127.0.0.1:{port}"},
            }
        )
    )
    command = [str(HAIDANG), "cloud", "setup", "--config", str(config)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert re.search(r"ready +catalogue .*not published yet", said.stdout)
    assert re.search(r"ready +time series +a bucket for each of 5 scopes", said.stdout)
    assert re.search(r"MISSING +broker +broker: ca, cert and key are needed", said.stdout)
    old = re.search(r"#first=(\S+)", said.stdout)
    assert old is not None
    log = tmp_path / "api.log"
    with log.open("wb") as out:
        serving = subprocess.Popen(
            [str(HAIDANG), "cloud", "serve", "api", "--config", str(config)],
            stdout=out,
            stderr=out,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: answers(client), what="the API")
            new = re.search(r"#first=(\S+)", log.read_text())
            assert new is not None
            asked = {"login": "lan", "name": "Lan", "password": GOOD}
            path = "/api/v1/setup/first"
            assert client.post(path, json={"link": old[1], **asked}).status_code == 410
            assert client.post(path, json={"link": new[1], **asked}).status_code == 201
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(20) == 0
    finally:
        serving.kill()
        serving.wait()
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "#first=" not in said.stdout
    assert "somebody can log in who manages people" in said.stdout


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        time.sleep(0.1)
        return False
