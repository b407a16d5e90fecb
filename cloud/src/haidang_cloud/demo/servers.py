"""The servers that the demo keeps its data in: embedded files, or real ones that somebody named."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

DATA_SOURCES = "datasources.json"
LOG_IN = ("GRAFANA_USER", "GRAFANA_PASSWORD")
"""What `haidang boards apply` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Addresses of real servers, empty where the embedded default serves.

    Attributes:
        influxdb_token: a file that holds a token which may make buckets and tokens.
    """

    postgres: str = ""
    influxdb: str = ""
    influxdb_org: str = "haidang"
    influxdb_token: Path | None = None
    grafana: str = ""

    def check(self, words: Words) -> None:
        """Raise `UserError` for what cannot go together."""
        if self.influxdb and (self.influxdb_token is None or not self.influxdb_token.is_file()):
            raise UserError(words("influxdb_token"))
        if self.grafana and not self.influxdb:
            raise UserError(words("grafana_alone"))
        if self.grafana and not all(os.environ.get(name) for name in LOG_IN):
            raise UserError(words("grafana_login", names=", ".join(LOG_IN)))

    def config(self) -> dict[str, Any]:
        """The part of the centre's configuration that names them."""
        chosen: dict[str, Any] = {
            "state": self.postgres or "sqlite:///state.sqlite",
            "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
        }
        if self.influxdb:
            chosen["timeseries"] = {
                "kind": "influx",
                "url": self.influxdb,
                "org": self.influxdb_org,
                "token_file": str((self.influxdb_token or Path()).resolve()),
            }
            chosen["datasources"] = DATA_SOURCES
        return chosen
