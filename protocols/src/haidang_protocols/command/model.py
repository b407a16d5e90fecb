"""What a package gives for each of its commands."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One sub-command of `haidang`.

    Attributes:
        help: one line for the list of commands.
        configure: adds the command's arguments to its parser.
        run: does the work and returns the exit code; raises `UserError` for a person's mistake.
        examples: shown below `--help`, one command per line.
    """

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    examples: str = ""
