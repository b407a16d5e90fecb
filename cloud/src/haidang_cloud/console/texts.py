"""What people read: one YAML file a language, the same keys in each."""

import importlib.resources
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import yaml

from haidang_protocols.catalogue.model import Text

LANGUAGES = ("vi", "en")
"""Vietnamese first."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """All sentences of a language, by key."""
    folder = importlib.resources.files("haidang_cloud.console") / "words"
    found = yaml.safe_load((folder / f"{language}.yaml").read_text(encoding="utf-8"))
    return MappingProxyType({str(key): str(value) for key, value in found.items()})


def named(text: Text, language: str) -> str:
    """A name of the catalogue; Vietnamese where there is no English."""
    return (text.en or text.vi) if language == "en" else text.vi
