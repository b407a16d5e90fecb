"""The catalogue that was in force last, kept in a file beside the lake.

A process that starts while the database is away goes on with it: an alarm needs the catalogue, and
cannot wait for the database.
"""

import logging
from dataclasses import replace
from pathlib import Path

import msgspec

from haidang_cloud.processes.config import CloudConfig
from haidang_cloud.processes.files import write_private
from haidang_cloud.state import versions
from haidang_cloud.state.versions import Version
from haidang_protocols.wire.errors import UNREADABLE

log = logging.getLogger(__name__)

NAME = "catalogue.json"


class KeptVersion:
    """The file of one centre; every process that sees a new version replaces it whole."""

    def __init__(self, config: CloudConfig) -> None:
        """Use the centre's part of the lake's folder."""
        self._path = Path(config.lake) / config.centre / NAME

    def read(self) -> Version | None:
        """What was kept; None when there is nothing, or not what was written."""
        try:
            version = msgspec.json.decode(self._path.read_bytes(), type=Version)
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            log.warning("%s is left out: %s", self._path, error)
            return None
        if versions.digest(version.texts) != version.sha256:
            log.warning("%s is left out: it is not what was written", self._path)
            return None
        return version

    def write(self, version: Version) -> None:
        """Keep a version that is in force; what cannot be kept stops nobody."""
        # without what the hash does not vouch for; the texts say all of it
        content = msgspec.json.encode(replace(version, checked=""))
        try:
            if not self._path.is_file() or self._path.read_bytes() != content:
                write_private(self._path, content)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)
