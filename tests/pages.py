"""The commands that the project's pages show, and whether the programs they are for take them.

A fenced block `sh` is run as it stands, by the scenario of its page. One that says `sh shown`, what
stands between backquotes, the heads of the compose files and the examples of `--help` are shown
only: there each command is read by the program's own parser.
"""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from haidang_protocols.command import Command, discover
from haidang_protocols.command.run import match, parser_of
from servers.find import REPOSITORY

PATTERNS = ("*.md", "docs/**/*.md", "[a-z]*/README.md", "*/src/**/*.md", "docker-compose.*.yml")
PAGES = tuple(
    sorted(str(p.relative_to(REPOSITORY)) for one in PATTERNS for p in REPOSITORY.glob(one))
)
SYSTEM = frozenset(
    {
        *("/opt/haidang/bin/pip", "apt", "bash", "cat", "cd", "chattr", "curl", "docker", "git"),
        *("journalctl", "ln", "openssl", "python3", "qrencode", "systemctl", "timedatectl"),
    }
)
"""Programs that are not ours: that they are there, and take this, is the system's affair."""

_FENCE = re.compile(r"^( *)```(.*)$")
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class NotUnderstoodError(AssertionError):
    """A command on a page that nobody would take."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the words behind its fence, its lines, the page's text around it."""

    info: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A command that is shown; `whole` when somebody would copy and run it."""

    text: str
    whole: bool


def text_of(page: str) -> str:
    """What stands in a page."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, without their indentation."""
    found: list[Block] = []
    lines: list[str] | None = None
    indent = info = ""
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if fence and lines is None:
            (indent, info), lines = fence.groups(), []
        elif fence and lines is not None:
            found.append(Block(info.strip(), "\n".join(lines) + "\n"))
            lines = None
        elif lines is not None:
            lines.append(line.removeprefix(indent))
    if lines is not None:
        raise NotUnderstoodError(f"a fence that does not end: {info!r}")
    return found


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def script(page: str) -> str:
    """What the page's scenario runs."""
    return "".join(block.text for block in blocks(text_of(page)) if block.info == "sh")


def shown(page: str) -> Iterator[Shown]:
    """The commands of a page that its scenario does not run."""
    text = text_of(page)
    if page.endswith(".yml"):
        head = "\n".join(
            line.removeprefix("#").removeprefix(" ")
            for line in text.splitlines()
            if line.startswith("#")
        )
        yield from (Shown(one, whole=True) for one in lines_of(_indented(head)))
    else:
        for block in blocks(text):
            if block.info == "sh shown":
                yield from (Shown(one, whole=True) for one in lines_of(block.text))
            elif block.info != "sh" and any(map(_is_command, block.text.splitlines())):
                raise NotUnderstoodError(f"a block of commands wants `sh` or `sh shown`: {block}")
        head = prose(text)
        if stray := next(filter(_is_command, _indented(head).splitlines()), None):
            raise NotUnderstoodError(f"{stray.strip()!r}: a command wants a fenced block")
    yield from (Shown(span, whole=False) for span in spans(head) if _is_command(span))


def spans(text: str) -> list[str]:
    """What stands between backquotes; one may go over the end of a line."""
    return [" ".join(span.split()) for span in _SPAN.findall(text)]


def _indented(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if re.match(r" {2,}\S", line)) + "\n"


def lines_of(text: str) -> list[str]:
    """Commands, a line each; one that ends in a backslash goes on."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if _is_command(line)]


def _is_command(line: str) -> bool:
    words = _own(line.split())
    return len(words) > 1 and (words[0] in _OURS or words[0] in SYSTEM)


def _own(words: Sequence[str]) -> list[str]:
    """Without what stands before the program: variables, `sudo -u somebody`."""
    left = list(words)
    while left and (_ASSIGNMENT.match(left[0]) or left[0] == "sudo"):
        left = left[1:]
        if left[:1] == ["-u"]:
            left = left[2:]
    if left:
        left[0] = left[0].removeprefix(".venv/bin/")
    return left


def understand(command: Shown) -> None:
    """Raises `NotUnderstoodError` when a program would not take what is shown."""
    reader = shlex.shlex(command.text, posix=True, punctuation_chars="|&;")
    reader.whitespace_split = True
    simple: list[str] = []
    for word in [*reader, ";"]:
        if set(word) <= set("|&;"):
            if simple:
                _understand(_own(simple), whole=command.whole)
            simple = []
        else:
            simple.append(word)


def _understand(words: list[str], *, whole: bool) -> None:
    program = words[0]
    if program in _OURS:
        _OURS[program](words[1:], whole)
    elif program not in SYSTEM:
        raise NotUnderstoodError(f"{program!r} is no program that pages may name; {words}")


def _haidang(words: list[str], whole: bool) -> None:  # one of a table
    if words == ["--version"]:
        return
    alternatives = _alternatives(words)
    if alternatives:
        for one in alternatives:
            _haidang(one, False)
        return
    cut = [word for at, word in enumerate(words) if not _left_out(words, at)]
    whole = whole and cut == words
    commands = discover()
    key = match(cut, commands)
    if key is None:
        if whole or not any(list(one[: len(cut)]) == cut for one in commands):
            raise NotUnderstoodError(f"no command `haidang {' '.join(words)}`")
        return
    command: Command = commands[key].load()
    parser = parser_of(key, command)
    said = _said(parser, cut[len(key) :])
    if said and (whole or not _is_mention(parser, cut[len(key) :])):
        raise NotUnderstoodError(f"`haidang {' '.join(words)}`: {said}")


def _left_out(words: list[str], at: int) -> bool:
    """Whether the page leaves words out here; behind an option "…" stands for its value."""
    return words[at] == "…" and not (at and words[at - 1].startswith("-"))


def _alternatives(words: list[str]) -> list[list[str]]:
    """`fleet ca · token` names two commands."""
    groups = [group.split() for group in " ".join(words).split(" · ")]
    prefix = groups[0][:-1]
    return [groups[0], *([*prefix, *group] for group in groups[1:])] if len(groups) > 1 else []


def _said(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What a parser says against these words, "" when it takes them."""
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(words)
    except SystemExit as ended:
        return err.getvalue().strip().splitlines()[-1] if ended.code else ""
    return ""


def _is_mention(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    """Whether these are the command's words and options, if not all that it wants."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            parser.parse_args([*words, "--help"])
    except SystemExit as ended:
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        return not ended.code and all(option in out.getvalue() for option in options)
    return False


def _make(words: list[str], _whole: bool) -> None:  # one of a table
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    for word in words:
        name, given, value = word.partition("=")
        if name == "DEMO":
            _haidang(["demo", *value.split()], True)
        if not given and word != "…" and word not in targets:
            raise NotUnderstoodError(f"the Makefile has no target {word!r}")


def _docker(words: list[str], whole: bool) -> None:  # one of a table
    if "-f" not in words:
        return
    file = words[words.index("-f") + 1]
    _there(file)
    if "run" not in words:
        return
    left = [word for word in words[words.index("run") + 1 :] if word not in {"--rm", "-i"}]
    services = yaml.safe_load(text_of(file))["services"]
    if left[0] not in services:
        raise NotUnderstoodError(f"{file} has no service {left[0]!r}")
    _haidang(left[1:], whole)


def _pytest(words: list[str], _whole: bool) -> None:  # one of a table
    for word in words:
        if word.startswith("tests/"):
            _there(word.partition("::")[0])


def _there(path: str) -> None:
    if not (REPOSITORY / path).exists():
        raise NotUnderstoodError(f"there is no {path}")


def _any(_words: list[str], _whole: bool) -> None:  # one of a table
    """A tool of the development set, as it is in `.venv`."""


_OURS: dict[str, Callable[[list[str], bool], None]] = {
    "haidang": _haidang,
    "make": _make,
    "docker": _docker,
    "pytest": _pytest,
    "uv": _any,
    "python": _any,
    "ruff": _any,
    "mypy": _any,
    "lint-imports": _any,
}
