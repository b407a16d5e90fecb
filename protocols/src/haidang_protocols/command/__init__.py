"""The `haidang` command: sub-commands are found by entry points of whatever is installed.

Every package names its commands in the entry-point group `haidang.commands`; the name is the words
a person types ("catalog check"). Two packages that claim one name are an error, never a silent
choice.
"""

from haidang_protocols.command.model import Command
from haidang_protocols.command.registry import DuplicateCommandError, discover
from haidang_protocols.command.run import main

__all__ = ["Command", "DuplicateCommandError", "discover", "main"]
