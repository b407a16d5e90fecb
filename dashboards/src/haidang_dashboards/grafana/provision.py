"""Get, compare, write: what is wanted of a Grafana against what is there, scope by scope.

A save that changes nothing would make a new version all the same, so nothing is sent that is equal.
Only what carries Haidang's marks is touched; to remove it needs `prune`.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from haidang_dashboards.datasources import DataSource
from haidang_dashboards.errors import BoardsError, DataSourcesError
from haidang_dashboards.grafana import identity
from haidang_dashboards.grafana.gateway import Gateway
from haidang_dashboards.grafana.query import DATA_SOURCE_TYPE
from haidang_dashboards.grafana.render import render, to_text
from haidang_protocols.boards import Board, boards
from haidang_protocols.catalogue.model import Catalogue

_GIVEN_BY_GRAFANA = ("id", "version")
_MESSAGE = "haidang boards apply"
_TOKEN_MARK = "haidangToken"  # noqa: S105  # the key of a digest, not a secret


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs; `lines` show how, as a unified diff."""

    action: Action
    what: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.action} {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All that one scope gets."""

    scope: str
    mark: str
    organisation: str
    data_source: dict[str, Any]
    folder: str
    boards: tuple[dict[str, Any], ...]


def wanted(
    catalogue: Catalogue, sources: Mapping[str, DataSource], *, language: str
) -> tuple[Wanted, ...]:
    """What every scope of a catalogue gets; raises `DataSourcesError` when one has no bucket."""
    missing = [scope.id for scope in catalogue.scopes if scope.id not in sources]
    if missing:
        raise DataSourcesError(
            f"the data sources lack scope {', '.join(missing)}; there are "
            f"{', '.join(sorted(sources)) or 'none'}: run `haidang catalog apply` first"
        )
    drawn = boards(catalogue)
    centre = catalogue.centre.id
    return tuple(
        Wanted(
            scope=scope.id,
            mark=identity.organisation_mark(centre, scope.id),
            organisation=identity.organisation_name(centre, scope),
            data_source=_data_source(centre, scope.id, sources[scope.id]),
            folder=identity.folder_uid(centre, scope.id),
            boards=_rendered([b for b in drawn if b.scope == scope.id], language),
        )
        for scope in catalogue.scopes
    )


def _rendered(drawn: Sequence[Board], language: str) -> tuple[dict[str, Any], ...]:
    return tuple(render(board, language=language) for board in drawn)


def _data_source(centre: str, scope: str, source: DataSource) -> dict[str, Any]:
    """InfluxQL by token: the header's name and its value are both needed, or none is sent."""
    return {
        "uid": identity.data_source_uid(centre, scope),
        "name": f"Haidang {scope}",
        "type": DATA_SOURCE_TYPE,
        "access": "proxy",
        "url": source.url,
        "isDefault": True,
        "jsonData": {
            "dbName": source.database,
            "httpMode": "GET",
            "httpHeaderName1": "Authorization",
            # a secret cannot be read back: this tells whether it is still the same
            _TOKEN_MARK: source.fingerprint(),
        },
        "secureJsonData": {"httpHeaderValue1": f"Token {source.token}"},
    }


def bring(
    grafana: Gateway,
    catalogue: Catalogue,
    wants: Sequence[Wanted],
    *,
    write: bool,
    prune: bool = False,
) -> Iterator[Change]:
    """Yield every difference, in order; with `write` each is made good before it is told."""
    there = grafana.organisations()
    for want in wants:
        yield from _scope(grafana, there, catalogue.centre.id, want, write=write, prune=prune)
    if prune:
        kept = {want.mark for want in wants}
        yield from _orphans(grafana, there, catalogue.centre.id, kept, write=write)


def _scope(
    grafana: Gateway,
    there: Mapping[int, str],
    centre: str,
    want: Wanted,
    *,
    write: bool,
    prune: bool,
) -> Iterator[Change]:
    number = _organisation_of(there, want.mark)
    if number is None:
        if write:
            number = grafana.create_organisation(want.organisation)
        yield Change(action=Action.CREATE, what=f"organisation {want.organisation!r}")
    elif there[number] != want.organisation:
        if write:
            grafana.rename_organisation(number, want.organisation)
        yield _update(f"organisation {want.organisation!r}", there[number], want.organisation)
    if number is None:
        yield from _all_of(want)
        return
    with grafana.of(number) as inside:
        yield from _source(inside, want, write=write)
        yield from _folder(inside, want, write=write)
        for board in want.boards:
            yield from _board(inside, want, board, write=write)
        if prune:
            kept = {board["uid"] for board in want.boards}
            yield from _stale(inside, centre, want.scope, kept, write=write)


def _organisation_of(there: Mapping[int, str], mark: str) -> int | None:
    found = sorted(number for number, name in there.items() if name.endswith(f" {mark}"))
    if len(found) > 1:
        raise BoardsError(
            f"Grafana has {len(found)} organisations whose names end in {mark} (numbers "
            f"{', '.join(map(str, found))}): rename all but one"
        )
    return found[0] if found else None


def _all_of(want: Wanted) -> Iterator[Change]:
    """What an organisation that is not there yet will get."""
    yield Change(action=Action.CREATE, what=f"data source {want.scope}/{want.data_source['name']}")
    yield Change(action=Action.CREATE, what=f"folder {want.scope}/{identity.FOLDER_TITLE}")
    for board in want.boards:
        yield Change(action=Action.CREATE, what=_named(want, board))


def _named(want: Wanted, board: Mapping[str, Any]) -> str:
    return f"board {want.scope}/{board['uid']}"


def _source(inside: Gateway, want: Wanted, *, write: bool) -> Iterator[Change]:
    what = f"data source {want.scope}/{want.data_source['name']}"
    there = inside.data_source(want.data_source["uid"])
    if there is None:
        if write:
            inside.create_data_source(want.data_source)
        yield Change(action=Action.CREATE, what=what)
        return
    plain = {key: value for key, value in want.data_source.items() if key != "secureJsonData"}
    seen = {key: there.get(key) for key in plain}
    held = {key: bool(there.get("secureJsonFields", {}).get(key)) for key in _secrets(want)}
    if seen == plain and all(held.values()):
        return
    if there.get("readOnly"):
        raise BoardsError(
            f"{what} comes from a file of Grafana's own and cannot be changed from here: remove it "
            "there"
        )
    if write:
        inside.update_data_source(want.data_source)
    yield _update(what, {**seen, "secrets": held}, {**plain, "secrets": dict.fromkeys(held, True)})


def _secrets(want: Wanted) -> tuple[str, ...]:
    return tuple(want.data_source["secureJsonData"])


def _folder(inside: Gateway, want: Wanted, *, write: bool) -> Iterator[Change]:
    what = f"folder {want.scope}/{identity.FOLDER_TITLE}"
    there = inside.folder(want.folder)
    if there is None:
        if write:
            inside.create_folder(want.folder, identity.FOLDER_TITLE)
        yield Change(action=Action.CREATE, what=what)
    elif there["title"] != identity.FOLDER_TITLE:
        if write:
            inside.rename_folder(want.folder, identity.FOLDER_TITLE, version=int(there["version"]))
        yield _update(what, there["title"], identity.FOLDER_TITLE)


def _board(
    inside: Gateway, want: Wanted, board: dict[str, Any], *, write: bool
) -> Iterator[Change]:
    what = _named(want, board)
    there = inside.dashboard(board["uid"])
    if there is None:
        if write:
            inside.save_dashboard(board, folder=want.folder, message=_MESSAGE)
        yield Change(action=Action.CREATE, what=what)
        return
    seen, folder = own(there["dashboard"]), there["meta"].get("folderUid", "")
    if seen == board and folder == want.folder:
        return
    if there["meta"].get("provisioned"):
        raise BoardsError(
            f"{what} comes from a file of Grafana's own and cannot be changed from here: remove it "
            "there"
        )
    if write:
        version = there["dashboard"]["version"]
        inside.save_dashboard({**board, "version": version}, folder=want.folder, message=_MESSAGE)
    yield _update(what, {**seen, "folder": folder}, {**board, "folder": want.folder})


def own(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    """A stored dashboard without what Grafana itself wrote into it."""
    return {key: value for key, value in dashboard.items() if key not in _GIVEN_BY_GRAFANA}


def _stale(
    inside: Gateway, centre: str, scope: str, kept: set[str], *, write: bool
) -> Iterator[Change]:
    """Boards of ours that are wanted no longer; a person's copy of one has a uid of its own."""
    for uid in sorted(inside.tagged(identity.centre_tag(centre))):
        if uid.startswith(identity.PREFIX) and uid not in kept:
            if write:
                inside.delete_dashboard(uid)
            yield Change(action=Action.REMOVE, what=f"board {scope}/{uid}")


def _orphans(
    grafana: Gateway, there: Mapping[int, str], centre: str, kept: set[str], *, write: bool
) -> Iterator[Change]:
    """Scopes that are no more lose boards and bucket; the organisation, with its people, stays."""
    start = f"[{centre}/"
    for number, name in sorted(there.items()):
        mark = name.rpartition(" ")[2]
        if not (mark.startswith(start) and mark.endswith("]")) or mark in kept:
            continue
        scope = mark[len(start) : -1]
        with grafana.of(number) as inside:
            yield from _stale(inside, centre, scope, set(), write=write)
            source = inside.data_source(identity.data_source_uid(centre, scope))
            if source is not None:
                if write:
                    inside.delete_data_source(source["uid"])
                yield Change(action=Action.REMOVE, what=f"data source {scope}/{source['name']}")


def _update(what: str, before: Any, after: Any) -> Change:  # noqa: ANN401  # JSON values
    lines = difflib.unified_diff(
        _lines(before), _lines(after), "in Grafana", "wanted", n=2, lineterm=""
    )
    return Change(action=Action.UPDATE, what=what, lines=tuple(lines))


def _lines(value: Any) -> list[str]:  # noqa: ANN401  # JSON values
    return (to_text(value) if isinstance(value, dict) else str(value)).splitlines()
