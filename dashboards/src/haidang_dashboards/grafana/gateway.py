"""One organisation of one Grafana, over grafana-client: every answer is a value or a sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException, GrafanaTimeoutError

from haidang_dashboards.errors import BoardsError, GrafanaRefusedError, GrafanaUnreachableError

TIMEOUT_S = 30.0
_SEARCH_PAGE = 1000
_UNAUTHORISED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A server administrator of Grafana: only such a one may make organisations."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Without the password, which belongs in no log."""
        return f"Login(user={self.user!r})"


class Gateway:
    """A Grafana as one user sees it in one organisation; `organisation` 0 is their own."""

    def __init__(self, url: str, login: Login, *, organisation: int = 0) -> None:
        """Prepare; nothing is sent yet."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BoardsError(f"--grafana {url!r}: must be an address such as http://grafana:3000")
        if parts.username or parts.password:
            raise BoardsError("--grafana: a password does not belong in an address; use a file")
        self._url, self._login = url, login
        prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        # its methods have no types
        self._api: Any = GrafanaApi(
            (login.user, login.password),
            protocol=parts.scheme,
            host=parts.hostname,
            port=parts.port,
            url_path_prefix=prefix,
            timeout=TIMEOUT_S,
            organization_id=organisation or None,
        )

    def __enter__(self) -> Self:
        """As it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the connections go."""
        self._api.client.s.close()

    def of(self, organisation: int) -> "Gateway":
        """The same Grafana and user in another organisation."""
        return Gateway(self._url, self._login, organisation=organisation)

    # --- organisations ------------------------------------------------------------------------

    def organisations(self) -> dict[int, str]:
        """Every organisation's name by its number."""
        with self._asking("list the organisations"):
            found = self._api.organizations.list_organization()
            return {int(each["id"]): str(each["name"]) for each in found}

    def create_organisation(self, name: str) -> int:
        """Make one; the user becomes its administrator."""
        with self._asking(f"make the organisation {name!r}"):
            return int(self._api.organization.create_organization({"name": name})["orgId"])

    def rename_organisation(self, number: int, name: str) -> None:
        """Give one another name."""
        with self._asking(f"rename the organisation {name!r}"):
            self._api.organizations.update_organization(number, {"name": name})

    # --- data sources -------------------------------------------------------------------------

    def data_source(self, uid: str) -> dict[str, Any] | None:
        """A data source without its secrets, or none."""
        return self._found(
            f"read the data source {uid}",
            lambda: self._api.datasource.get_datasource_by_uid(uid),
        )

    def create_data_source(self, wanted: dict[str, Any]) -> None:
        """Make one."""
        with self._asking(f"make the data source {wanted['name']!r}"):
            self._api.datasource.create_datasource(wanted)

    def update_data_source(self, wanted: dict[str, Any]) -> None:
        """Put one in place of that of the same uid."""
        with self._asking(f"change the data source {wanted['name']!r}"):
            self._api.datasource.update_datasource_by_uid(wanted["uid"], wanted)

    def delete_data_source(self, uid: str) -> None:
        """Remove one."""
        with self._asking(f"remove the data source {uid}"):
            self._api.datasource.delete_datasource_by_uid(uid)

    # --- folders ------------------------------------------------------------------------------

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder, or none."""
        return self._found(f"read the folder {uid}", lambda: self._api.folder.get_folder(uid))

    def create_folder(self, uid: str, title: str) -> None:
        """Make one."""
        with self._asking(f"make the folder {title!r}"):
            self._api.folder.create_folder(title, uid=uid)

    def rename_folder(self, uid: str, title: str, *, version: int) -> None:
        """Give one another title; refused when it has changed since `version`."""
        with self._asking(f"rename the folder {title!r}"):
            self._api.folder.update_folder(uid, title=title, version=version)

    def delete_folder(self, uid: str) -> None:
        """Remove one with all that is in it."""
        with self._asking(f"remove the folder {uid}"):
            self._api.folder.delete_folder(uid)

    # --- dashboards ---------------------------------------------------------------------------

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """`dashboard` and `meta` of a dashboard, or none."""
        return self._found(f"read the board {uid}", lambda: self._api.dashboard.get_dashboard(uid))

    def save_dashboard(self, wanted: dict[str, Any], *, folder: str, message: str) -> None:
        """Save; with a `version` in it, refused when that is no longer the newest."""
        content = {
            "dashboard": wanted,
            "folderUid": folder,
            "message": message,
            "overwrite": False,
        }
        with self._asking(f"save the board {wanted['title']!r}"):
            self._api.dashboard.update_dashboard(content)

    def delete_dashboard(self, uid: str) -> None:
        """Remove one."""
        with self._asking(f"remove the board {uid}"):
            self._api.dashboard.delete_dashboard(uid)

    def tagged(self, tag: str) -> dict[str, str]:
        """Titles by uid of the dashboards that have a tag."""
        found: dict[str, str] = {}
        for page in range(1, _SEARCH_PAGE):
            with self._asking(f"search for boards tagged {tag}"):
                some = self._api.search.search_dashboards(
                    tag=tag, type_="dash-db", limit=_SEARCH_PAGE, page=page
                )
                found |= {str(each["uid"]): str(each["title"]) for each in some}
                if len(some) < _SEARCH_PAGE:
                    break
        return found

    # --- what goes wrong ----------------------------------------------------------------------

    def _found(self, what: str, ask: Callable[[], Any]) -> dict[str, Any] | None:
        try:
            with self._asking(what):
                found: dict[str, Any] = ask()
                return found
        except GrafanaRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except GrafanaTimeoutError as error:
            raise GrafanaUnreachableError(
                f"Grafana at {self._url} gave no answer within {TIMEOUT_S:g} s to {what}"
            ) from error
        except GrafanaException as error:
            raise self._refusal(what, error) from error
        except (niquests.exceptions.JSONDecodeError, KeyError, TypeError) as error:
            raise GrafanaUnreachableError(
                f"what answers at {self._url} is no Grafana (asked to {what})"
            ) from error
        except niquests.exceptions.RequestException as error:
            raise GrafanaUnreachableError(
                f"Grafana at {self._url} cannot be reached: {_words(error)}"
            ) from error

    def _refusal(self, what: str, error: GrafanaException) -> BoardsError:
        status = int(error.status_code)
        said = _said(error)
        if status == _UNAUTHORISED:
            message = f"Grafana at {self._url} does not take this password of {self._login.user!r}"
        elif status == _FORBIDDEN:
            message = (
                f"Grafana lets {self._login.user!r} not {what}: {said}; it needs a server "
                "administrator who is an administrator of the organisation too"
            )
        else:
            message = f"Grafana refused to {what}: {status} {said}"
        return GrafanaRefusedError(message, status=status)


def _said(error: GrafanaException) -> str:
    body = error.response
    words = body.get("message") if isinstance(body, dict) else body
    return str(words or error.message)[:300]


def _words(error: Exception) -> str:
    """The innermost reason: a library's own wrapping says nothing to a person."""
    while error.__cause__ is not None or error.__context__ is not None:
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error)[:300] or type(error).__name__
