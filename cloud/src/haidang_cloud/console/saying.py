"""Why something was refused, in the words of who asked; in English where there are none."""

from collections import defaultdict
from collections.abc import Mapping

from starlette.requests import HTTPConnection

from haidang_cloud.console.texts import named, texts
from haidang_cloud.console.visitor import language_of, visitor_or_none
from haidang_cloud.web.problems import Say, Values

_WORDS: Mapping[str, str] = {"right": "right", "state": "case", "answer": "case.answer"}
"""Values that are words themselves, and where those stand."""


def sayer(language: str) -> Say:
    """Says refusals; in `language` to who has not chosen one."""

    def say(asked: HTTPConnection, key: str, values: Values, sentence: str) -> str:
        words = texts(language_of(asked.headers, language))
        return in_words(words, key, {**values, **_names(asked, values)}) or sentence

    return say


def in_words(words: Mapping[str, str], key: str, values: Values) -> str:
    """A sentence with its values in place, empty when there is none for `key`."""
    shown = {name: _shown(words, name, value) for name, value in values.items()}
    # what an older line of the audit log does not tell leaves a gap, not a page that fails
    return words.get(key, "").format_map(defaultdict(str, shown))


def _shown(words: Mapping[str, str], name: str, value: str | float) -> str:
    return words.get(f"{_WORDS.get(name, '')}.{value}", str(value))


def _names(asked: HTTPConnection, values: Values) -> dict[str, str]:
    """What is in the catalogue goes by its name there."""
    visitor = visitor_or_none(asked)
    if visitor is None:
        return {}
    catalogue = visitor.ruling.catalogue
    known = {
        "scope": {scope.id: scope.name for scope in catalogue.scopes},
        "camera": {camera.id: camera.name for camera in catalogue.cameras},
    }
    found = {key: names.get(str(values.get(key))) for key, names in known.items()}
    return {key: named(name, visitor.language) for key, name in found.items() if name}
