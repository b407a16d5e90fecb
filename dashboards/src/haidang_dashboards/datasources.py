"""The file in which `haidang catalog apply` says how each scope's boards reach its bucket."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from haidang_dashboards.errors import DataSourcesError

_Word = Annotated[str, Meta(min_length=1)]


class DataSource(Struct, frozen=True, kw_only=True):
    """One scope's bucket, as Grafana's server reaches it; the token reads this bucket only."""

    url: Annotated[str, Meta(pattern="^https?://", description="an address such as http://…")]
    bucket: _Word
    database: _Word
    token: _Word
    org: str = ""

    def fingerprint(self) -> str:
        """Tells one token from another without giving it away."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        """Without the token, which belongs in no log."""
        return f"DataSource(url={self.url!r}, database={self.database!r})"


def read_data_sources(path: Path) -> Mapping[str, DataSource]:
    """Data sources by scope; raises `DataSourcesError`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataSourcesError(f"--datasources {path}: cannot be read: {error.strerror}") from error
    try:
        return msgspec.json.decode(raw, type=dict[str, DataSource])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataSourcesError(
            f"--datasources {path}: {error}; `haidang catalog apply` writes this file"
        ) from error
