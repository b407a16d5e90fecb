"""Grafana's HTTP boundary, as it was measured to behave; nothing of it is drawn.

What a careless client would trip over is kept: making a thing twice is refused (409, 412), every
save is a new version even when nothing changed, a stale version is refused, what came from a file
cannot be changed, a data source sends a token only when header and value are both set, and a Viewer
may put any query to any data source of the organisation.
"""

import base64
import copy
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UID_MAX = 40
Json = dict[str, Any]
_RANK = {"Viewer": 0, "Editor": 1, "Admin": 2}


class _Refused(Exception):  # noqa: N818  # an answer, not a failure
    def __init__(self, status: int, message: str, word: str = "") -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, "status": word}


@dataclass
class Board:
    """A dashboard with all its versions."""

    versions: list[Json]
    folder: str
    provisioned: bool = False


@dataclass
class Organisation:
    """What one organisation holds."""

    number: int
    name: str
    roles: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    boards: dict[str, Board] = field(default_factory=dict)


@dataclass
class User:
    """Somebody who logs in; `using` is the organisation that they are in by default."""

    password: str
    server_admin: bool = False
    using: int = 1


@dataclass(frozen=True)
class Asked:
    """A request with all that its handler may need."""

    user: str
    organisation: Organisation
    body: Json
    query: dict[str, str]


class Grafana:
    """The stand-in; `requests` keeps what was asked, `script` answers instead of it once."""

    def __init__(self) -> None:
        self.organisations = {1: Organisation(1, "Main Org.", {"admin": "Admin"})}
        self.users = {"admin": User("admin-secret", server_admin=True)}
        self.requests: list[tuple[str, str]] = []
        self.script: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.prefix = ""
        self._next = 1
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: in two they wait for a delayed ACK

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                status, body = stand_in.answer(
                    self.command, self.path, dict(self.headers), self.rfile.read(size)
                )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # the base's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def writes(self) -> list[tuple[str, str]]:
        """What was asked that may change something."""
        return [(verb, path) for verb, path in self.requests if verb != "GET"]

    def named(self, name: str) -> Organisation:
        """The organisation of a name."""
        (found,) = [each for each in self.organisations.values() if each.name == name]
        return found

    # --- requests -----------------------------------------------------------------------------

    def answer(self, verb: str, target: str, headers: Json, raw: bytes) -> tuple[int, bytes]:
        path, _, words = target.removeprefix(self.prefix).partition("?")
        self.requests.append((verb, path))
        if (verb, path) in self.script:
            return self.script.pop((verb, path))
        query = dict(urllib.parse.parse_qsl(words))
        try:
            with self._lock:
                handle, given = self._route(verb, path)
                asked = self._asked(headers, json.loads(raw or b"{}"), query)
                return 200, json.dumps(handle(asked, *given)).encode()
        except _Refused as refused:
            return refused.status, json.dumps(refused.body).encode()

    def _asked(self, headers: Json, body: Json, query: dict[str, str]) -> Asked:
        scheme, _, code = str(headers.get("Authorization", "")).partition(" ")
        login, _, password = base64.b64decode(code).decode().partition(":")
        user = self.users.get(login)
        if scheme != "Basic" or user is None or user.password != password:
            raise _Refused(401, "Invalid username or password")
        number = int(headers.get("X-Grafana-Org-Id") or user.using)
        organisation = self.organisations.get(number)
        if organisation is None or login not in organisation.roles:
            raise _Refused(403, "You are not a member of this organization")
        return Asked(login, organisation, body, query)

    def _route(self, verb: str, path: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
        for known, pattern, handle in self._routes():
            found = re.fullmatch(pattern, path)
            if known == verb and found:
                return handle, found.groups()
        raise _Refused(404, "Not found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        word = "([^/]+)"
        return [
            ("GET", "/api/health", lambda _asked: {"database": "ok", "version": "11.6.0"}),
            ("GET", "/api/org", lambda asked: {"id": asked.organisation.number}),
            ("GET", "/api/orgs", self._list_organisations),
            ("POST", "/api/orgs", self._make_organisation),
            ("PUT", f"/api/orgs/{word}", self._name_organisation),
            ("DELETE", f"/api/orgs/{word}", self._remove_organisation),
            ("POST", f"/api/orgs/{word}/users", self._add_user),
            ("POST", "/api/admin/users", self._make_user),
            ("POST", f"/api/user/using/{word}", self._use),
            ("GET", "/api/datasources", lambda asked: list(asked.organisation.sources.values())),
            ("POST", "/api/datasources", self._make_source),
            ("GET", f"/api/datasources/uid/{word}", self._source),
            ("PUT", f"/api/datasources/uid/{word}", self._change_source),
            ("DELETE", f"/api/datasources/uid/{word}", self._remove_source),
            ("GET", f"/api/datasources/uid/{word}/health", self._health),
            ("POST", "/api/folders", self._make_folder),
            ("GET", f"/api/folders/{word}", self._folder),
            ("PUT", f"/api/folders/{word}", self._change_folder),
            ("POST", "/api/dashboards/db", self._save),
            ("GET", f"/api/dashboards/uid/{word}", self._board),
            ("DELETE", f"/api/dashboards/uid/{word}", self._remove_board),
            ("GET", f"/api/dashboards/uid/{word}/versions", self._versions),
            ("GET", "/api/search", self._search),
            ("POST", "/api/ds/query", self._query),
        ]

    def _needs(self, asked: Asked, role: str) -> None:
        if _RANK[asked.organisation.roles[asked.user]] < _RANK[role]:
            raise _Refused(403, "You'll need additional permissions to perform this action")

    def _needs_server_admin(self, asked: Asked) -> None:
        if not self.users[asked.user].server_admin:
            raise _Refused(403, "You'll need additional permissions to perform this action")

    def _number(self) -> int:
        self._next += 1
        return self._next

    # --- organisations ------------------------------------------------------------------------

    def _list_organisations(self, asked: Asked) -> list[Json]:
        self._needs_server_admin(asked)
        return [{"id": o.number, "name": o.name} for o in self.organisations.values()]

    def _make_organisation(self, asked: Asked) -> Json:
        self._needs_server_admin(asked)
        name = asked.body["name"]
        if any(each.name == name for each in self.organisations.values()):
            raise _Refused(409, "Organization name taken")
        number = self._number()
        self.organisations[number] = Organisation(number, name, {asked.user: "Admin"})
        return {"orgId": number, "message": "Organization created"}

    def _name_organisation(self, asked: Asked, number: str) -> Json:
        self._needs_server_admin(asked)
        self.organisations[int(number)].name = asked.body["name"]
        return {"message": "Organization updated"}

    def _remove_organisation(self, asked: Asked, number: str) -> Json:
        self._needs_server_admin(asked)
        del self.organisations[int(number)]
        return {"message": "Organization deleted"}

    def _make_user(self, asked: Asked) -> Json:
        self._needs_server_admin(asked)
        self.users[asked.body["login"]] = User(asked.body["password"])
        self.organisations[1].roles[asked.body["login"]] = "Viewer"
        return {"id": self._number(), "message": "User created"}

    def _add_user(self, asked: Asked, number: str) -> Json:
        self._needs_server_admin(asked)
        self.organisations[int(number)].roles[asked.body["loginOrEmail"]] = asked.body["role"]
        return {"message": "User added to organization"}

    def _use(self, asked: Asked, number: str) -> Json:
        if asked.user not in self.organisations[int(number)].roles:
            raise _Refused(401, "Not a valid organization")
        self.users[asked.user].using = int(number)
        return {"message": "Active organization changed"}

    # --- data sources -------------------------------------------------------------------------

    def _source(self, asked: Asked, uid: str) -> Json:
        self._needs(asked, "Admin")
        if uid not in asked.organisation.sources:
            raise _Refused(404, "Data source not found")
        return asked.organisation.sources[uid]

    def _make_source(self, asked: Asked) -> Json:
        self._needs(asked, "Admin")
        body = asked.body
        there = asked.organisation.sources
        if body["uid"] in there or any(each["name"] == body["name"] for each in there.values()):
            raise _Refused(409, "data source with the same name already exists")
        return self._keep_source(asked, body, {"id": self._number(), "version": 1})

    def _change_source(self, asked: Asked, uid: str) -> Json:
        there = self._source(asked, uid)
        if there["readOnly"]:
            raise _Refused(403, "Cannot update read-only data source")
        given = {"id": there["id"], "version": there["version"] + 1}
        return self._keep_source(asked, asked.body, given)

    def _keep_source(self, asked: Asked, body: Json, given: Json) -> Json:
        if len(body["uid"]) > UID_MAX:
            raise _Refused(400, "uid is too long")
        plain = copy.deepcopy(body)
        secrets = asked.organisation.secrets.setdefault(plain["uid"], {})
        secrets |= plain.pop("secureJsonData", {})
        # a secret never comes back: only that it is there
        stored = {
            "database": "",
            "readOnly": False,
            **plain,
            **given,
            "orgId": asked.organisation.number,
            "secureJsonFields": dict.fromkeys(secrets, True),
        }
        asked.organisation.sources[plain["uid"]] = stored
        return {"datasource": stored, "message": "Datasource saved"}

    def _remove_source(self, asked: Asked, uid: str) -> Json:
        if self._source(asked, uid)["readOnly"]:
            raise _Refused(403, "Cannot delete read-only data source")
        del asked.organisation.sources[uid], asked.organisation.secrets[uid]
        return {"message": "Data source deleted"}

    # --- folders ------------------------------------------------------------------------------

    def _folder(self, asked: Asked, uid: str) -> Json:
        if uid not in asked.organisation.folders:
            raise _Refused(404, "folder not found")
        return asked.organisation.folders[uid]

    def _make_folder(self, asked: Asked) -> Json:
        self._needs(asked, "Editor")
        body = asked.body
        there = asked.organisation.folders
        if body["uid"] in there or any(each["title"] == body["title"] for each in there.values()):
            raise _Refused(412, "a folder with the same name already exists")
        there[body["uid"]] = {**body, "id": self._number(), "version": 1}
        return there[body["uid"]]

    def _change_folder(self, asked: Asked, uid: str) -> Json:
        self._needs(asked, "Editor")
        there = self._folder(asked, uid)
        if not asked.body.get("overwrite") and asked.body.get("version") != there["version"]:
            raise _Refused(412, "the folder has been changed by someone else")
        there |= {"title": asked.body["title"], "version": there["version"] + 1}
        return there

    # --- dashboards ---------------------------------------------------------------------------

    def _stored(self, asked: Asked, uid: str) -> Board:
        if uid not in asked.organisation.boards:
            raise _Refused(404, "Dashboard not found")
        return asked.organisation.boards[uid]

    def _board(self, asked: Asked, uid: str) -> Json:
        board = self._stored(asked, uid)
        meta = {
            "folderUid": board.folder,
            "provisioned": board.provisioned,
            "version": len(board.versions),
        }
        return {"dashboard": board.versions[-1], "meta": meta}

    def _save(self, asked: Asked) -> Json:
        self._needs(asked, "Editor")
        content, folder = asked.body["dashboard"], asked.body.get("folderUid", "")
        uid = content["uid"]
        if len(uid) > UID_MAX:
            raise _Refused(400, "uid too long, max 40 characters")
        if folder and folder not in asked.organisation.folders:
            raise _Refused(400, "folder not found")
        board = asked.organisation.boards.get(uid)
        if board is not None:
            self._check_save(board, content, overwrite=bool(asked.body.get("overwrite")))
        else:
            board = asked.organisation.boards[uid] = Board([], folder)
        board.folder = folder
        number = board.versions[0]["id"] if board.versions else self._number()
        # what was sent is what is stored, but for these two; equal or not, it is a new version
        board.versions.append({**content, "id": number, "version": len(board.versions) + 1})
        return {"status": "success", "uid": uid, "version": len(board.versions)}

    def _check_save(self, board: Board, content: Json, *, overwrite: bool) -> None:
        if board.provisioned:
            raise _Refused(400, "Cannot save provisioned dashboard")
        if not overwrite and content.get("version") != len(board.versions):
            message = "The dashboard has been changed by someone else"
            raise _Refused(412, message, "version-mismatch")

    def _remove_board(self, asked: Asked, uid: str) -> Json:
        self._needs(asked, "Editor")
        if self._stored(asked, uid).provisioned:
            raise _Refused(400, "provisioned dashboard cannot be deleted")
        del asked.organisation.boards[uid]
        return {"message": "Dashboard deleted"}

    def _versions(self, asked: Asked, uid: str) -> Json:
        versions = self._stored(asked, uid).versions
        return {"versions": [{"version": each["version"]} for each in reversed(versions)]}

    def _search(self, asked: Asked) -> list[Json]:
        tag = asked.query.get("tag")
        found = [
            {"uid": uid, "title": board.versions[-1]["title"], "type": "dash-db"}
            for uid, board in asked.organisation.boards.items()
            if tag is None or tag in board.versions[-1].get("tags", [])
        ]
        limit, page = int(asked.query.get("limit", 1000)), int(asked.query.get("page", 1))
        return found[limit * (page - 1) : limit * page]

    # --- queries ------------------------------------------------------------------------------

    def _health(self, asked: Asked, uid: str) -> Json:
        if uid not in asked.organisation.sources:
            raise _Refused(404, "Data source not found")
        found = self._ask_influx(asked.organisation, uid, "SHOW MEASUREMENTS")
        if "error" in found:
            raise _Refused(400, str(found["error"]))
        return {"status": "OK", "message": "datasource is working"}

    def _query(self, asked: Asked) -> Json:
        results = {}
        for query in asked.body["queries"]:
            uid = query["datasource"]["uid"]
            if uid not in asked.organisation.sources:
                raise _Refused(404, "data source not found")
            found = self._ask_influx(asked.organisation, uid, query["query"])
            results[query["refId"]] = {"status": 200, "frames": found.get("series", []), **found}
        return {"results": results}

    def _ask_influx(self, organisation: Organisation, uid: str, text: str) -> Json:
        source, secrets = organisation.sources[uid], organisation.secrets[uid]
        settings = source["jsonData"]
        words = urllib.parse.urlencode({"db": settings["dbName"], "epoch": "ms", "q": text})
        request = urllib.request.Request(f"{source['url']}/query?{words}")
        if "httpHeaderName1" in settings and "httpHeaderValue1" in secrets:
            request.add_header(settings["httpHeaderName1"], secrets["httpHeaderValue1"])
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                first: Json = json.load(answer)["results"][0]
                return first
        except urllib.error.HTTPError as error:
            with error:
                return {"error": f"InfluxDB returned {error.code}: {error.read()[:200]!r}"}
        except urllib.error.URLError as error:
            return {"error": f"InfluxDB cannot be reached: {error.reason}"}
