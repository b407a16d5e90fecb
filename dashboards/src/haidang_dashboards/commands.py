"""`haidang boards build`, `diff` and `apply`."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haidang_dashboards.errors import BoardsError
from haidang_protocols.catalogue import load
from haidang_protocols.command import Command

if TYPE_CHECKING:
    from haidang_dashboards.grafana.provision import Change

DIFFERS = 1
"""Exit code of `diff` when something differs, as that of diff(1)."""


def _catalogue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("catalogue", type=Path, help="folder of *.yaml files, or one file")
    parser.add_argument(
        "--language", choices=("vi", "en"), default="vi", help="of titles and words (vi)"
    )


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    _catalogue(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for SCOPE/BOARD.json")


def _grafana(parser: argparse.ArgumentParser) -> None:
    _catalogue(parser)
    parser.add_argument("--grafana", required=True, metavar="URL", help="http://grafana:3000")
    parser.add_argument(
        "--datasources",
        type=Path,
        required=True,
        metavar="FILE",
        help="how boards reach their buckets: `haidang catalog apply` writes it",
    )
    parser.add_argument(
        "--user-file", type=Path, metavar="FILE", help="holds the user (or GRAFANA_USER does)"
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="holds the password (or GRAFANA_PASSWORD does)",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="also remove boards and data sources of Haidang's that are wanted no longer",
    )


def _build(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_dashboards.grafana.identity import centre_tag
    from haidang_dashboards.grafana.render import render, to_text
    from haidang_protocols.boards import boards

    catalogue = load(arguments.catalogue)
    texts = {
        arguments.out / board.scope / f"{board.kind}.json": to_text(
            render(board, language=arguments.language)
        )
        for board in boards(catalogue)
    }
    for path in _former(arguments.out, centre_tag(catalogue.centre.id)):
        if path not in texts:
            path.unlink()
            sys.stdout.write(f"remove {path}\n")
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"write {path}\n")
    sys.stdout.write(f"{len(texts)} boards in {arguments.out}\n")
    return 0


def _former(folder: Path, tag: str) -> Iterator[Path]:
    """Boards that an earlier build wrote; other files are nobody's business."""
    for path in sorted(folder.glob("*/*.json")):
        try:
            tags = json.loads(path.read_text(encoding="utf-8"))["tags"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(tags, list) and tag in tags:
            yield path


def _changes(arguments: argparse.Namespace, *, write: bool) -> Iterator["Change"]:
    # heavy: only when it is used
    from haidang_dashboards.datasources import read_data_sources
    from haidang_dashboards.grafana.gateway import Gateway, Login
    from haidang_dashboards.grafana.provision import bring, wanted

    catalogue = load(arguments.catalogue)
    sources = read_data_sources(arguments.datasources)
    wants = wanted(catalogue, sources, language=arguments.language)
    login = Login(
        user=_secret(arguments.user_file, "--user-file", "GRAFANA_USER"),
        password=_secret(arguments.password_file, "--password-file", "GRAFANA_PASSWORD"),
    )
    with Gateway(arguments.grafana, login) as grafana:
        yield from bring(grafana, catalogue, wants, write=write, prune=arguments.prune)


def _secret(path: Path | None, option: str, variable: str) -> str:
    """What a file or an environment variable holds; a command line is seen by all."""
    if path is None:
        found = os.environ.get(variable, "")
        if not found:
            raise BoardsError(f"{option} FILE is missing, and {variable} is not set")
        return found
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BoardsError(f"{option} {path}: cannot be read: {error}") from error
    if not text:
        raise BoardsError(f"{option} {path}: is empty")
    return text


def _diff(arguments: argparse.Namespace) -> int:
    count = 0
    for change in _changes(arguments, write=False):
        count += 1
        sys.stdout.write("\n".join([str(change), *(f"  {line}" for line in change.lines)]) + "\n")
    sys.stdout.write(f"{count} differ\n" if count else "nothing differs\n")
    return DIFFERS if count else 0


def _apply(arguments: argparse.Namespace) -> int:
    count = 0
    for change in _changes(arguments, write=True):
        count += 1
        sys.stdout.write(f"{change}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{count} changed\n" if count else "nothing to change\n")
    return 0


_LOGIN = "--user-file user --password-file password"
BUILD = Command(
    help="write the boards that a catalogue implies as Grafana's JSON",
    configure=_build_arguments,
    run=_build,
    examples="  haidang boards build catalog/minimal --out boards\n"
    "  haidang boards build catalog/minimal --out boards --language en",
)
DIFF = Command(
    help="tell what of a Grafana differs from what a catalogue implies",
    configure=_grafana,
    run=_diff,
    examples="  haidang boards diff catalog/minimal --grafana http://localhost:3000 \\\n"
    f"      --datasources datasources.json {_LOGIN}",
)
APPLY = Command(
    help="bring a Grafana to what a catalogue implies: organisations, data sources, boards",
    configure=_grafana,
    run=_apply,
    examples="  haidang boards apply catalog/minimal --grafana http://localhost:3000 \\\n"
    f"      --datasources datasources.json {_LOGIN}\n"
    "  haidang boards apply catalog/minimal --grafana http://localhost:3000 \\\n"
    f"      --datasources datasources.json {_LOGIN} --prune",
)
