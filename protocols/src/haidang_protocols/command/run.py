"""Reads the command line, loads the one command that was asked for, and runs it."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, version

from haidang_protocols.command.model import Command
from haidang_protocols.command.registry import discover
from haidang_protocols.command.terminal import speak_plainly
from haidang_protocols.errors import HaidangError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run `haidang …`; returns the exit code (2: refused with a sentence on stderr)."""
    speak_plainly()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except HaidangError as error:
        sys.stderr.write(f"haidang: {error}\n")
        return EXIT_REFUSED
    except BrokenPipeError:
        # what is left in the buffer has no reader either: at its end Python would try again, aloud
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED
    except KeyboardInterrupt:
        sys.stderr.write("haidang: interrupted\n")
        return EXIT_INTERRUPTED


def _run(words: list[str]) -> int:
    commands = discover()
    if words == ["--version"]:
        sys.stdout.write(f"haidang {version('haidang-protocols')}\n")
        return 0
    key = match(words, commands)
    if key is None:
        return _overview(words, commands)
    command: Command = commands[key].load()
    code = command.run(parser_of(key, command).parse_args(words[len(key) :]))
    sys.stdout.flush()
    return code


def match(
    words: Sequence[str], commands: Mapping[tuple[str, ...], EntryPoint]
) -> tuple[str, ...] | None:
    """The longest command whose words open the command line."""
    for length in range(min(len(words), 4), 0, -1):
        key = tuple(words[:length])
        if key in commands:
            return key
    return None


def parser_of(key: tuple[str, ...], command: Command) -> argparse.ArgumentParser:
    """What reads the words that follow a command's own."""
    parser = argparse.ArgumentParser(
        prog="haidang " + " ".join(key),
        description=command.help,
        epilog=f"examples:\n{command.examples}" if command.examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # `--password x` must not pass for `--password-file x`
        allow_abbrev=False,
    )
    command.configure(parser)
    return parser


def _overview(words: Sequence[str], commands: Mapping[tuple[str, ...], EntryPoint]) -> int:
    """List the commands below what was typed; an unknown word is an error that shows them."""
    asked = [word for word in words if not word.startswith("-")]
    below = {key: entry for key, entry in commands.items() if list(key[: len(asked)]) == asked}
    known = bool(below)
    out = sys.stdout if known else sys.stderr
    if not known:
        out.write(f"haidang: no command {' '.join(asked)!r}; the commands are:\n\n")
    out.write("usage: haidang COMMAND [--help]\n\n")
    for key, entry in (below or commands).items():
        out.write(f"  haidang {' '.join(key):<24} {_help_of(entry)}\n")
    return 0 if known else EXIT_REFUSED


def _help_of(entry: EntryPoint) -> str:
    """One line of help; a package that is half installed hides no other command."""
    try:
        command: Command = entry.load()
    except ImportError as error:
        return f"(cannot be loaded: {error})"
    return command.help
