"""The servers that the demo keeps its data in: embedded files, or real ones that somebody named."""

import base64
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from haidang_cloud.demo.words import Words
from haidang_cloud.processes.config import read_secret
from haidang_cloud.state.database import open_state
from haidang_cloud.timeseries import Influx, InfluxSettings
from haidang_cloud.timeseries.base import private_bucket
from haidang_protocols.errors import HaidangError, UserError

DATA_SOURCES = "datasources.json"
LOG_IN = ("GRAFANA_USER", "GRAFANA_PASSWORD")
"""What `haidang boards apply` reads."""

ANSWER_S = 10.0
UNAUTHORISED = 401
_HTTP = ("http://", "https://")
_POSTGRES = ("postgresql://", "postgresql+psycopg://")


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
        """Raise `UserError` for what is no address, no file, or cannot go together."""
        for option, address, allowed in (
            ("--postgres", self.postgres, _POSTGRES),
            ("--influxdb", self.influxdb, _HTTP),
            ("--grafana", self.grafana, _HTTP),
        ):
            if address and not address.startswith(allowed):
                begins = ", ".join(allowed)
                shown = hidden(address)
                raise UserError(words("address_bad", option=option, address=shown, allowed=begins))
        if self.influxdb and self.influxdb_token is None:
            raise UserError(words("influxdb_token"))
        if self.influxdb_token is not None and not self.influxdb_token.is_file():
            option = "--influxdb-token-file"
            raise UserError(words("file_gone", option=option, path=self.influxdb_token))
        if self.grafana and not self.influxdb:
            raise UserError(words("grafana_alone"))
        if self.grafana and not all(os.environ.get(name) for name in LOG_IN):
            raise UserError(words("grafana_login", names=", ".join(LOG_IN)))

    @property
    def given(self) -> dict[str, str]:
        """The options as they were given; no password stands in them."""
        if self.influxdb_token is None:
            return self._addresses
        token = str(self.influxdb_token.expanduser().resolve())
        more = {"--influxdb-org": self.influxdb_org, "--influxdb-token-file": token}
        return self._addresses | more

    @property
    def _addresses(self) -> dict[str, str]:
        named = {
            "--postgres": self.postgres,
            "--influxdb": self.influxdb,
            "--grafana": self.grafana,
        }
        return {option: hidden(address) for option, address in named.items() if address}

    def reach(self, centre: str, words: Words) -> None:
        """Raise `UserError` for a server that does not answer, or lets nobody like us in."""
        asked: dict[str, Callable[[], None]] = {
            "--postgres": self._ask_postgres,
            "--influxdb": lambda: self._ask_influxdb(centre),
            "--grafana": lambda: self._ask_grafana(words),
        }
        for option, address in self._addresses.items():
            try:
                asked[option]()
            except (HaidangError, sa.exc.SQLAlchemyError, OSError, ValueError) as error:
                why = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
                away = words("server_away", option=option, address=address, why=why)
                raise UserError(away) from error

    def _ask_postgres(self) -> None:
        open_state(self.postgres).close()

    def _ask_influxdb(self, centre: str) -> None:
        token = read_secret(self.influxdb_token or Path())
        series = Influx(
            InfluxSettings(
                url=self.influxdb, org=self.influxdb_org, token=token, timeout_s=ANSWER_S
            )
        )
        try:
            series.ensure(private_bucket(centre))  # which needs what the demo will need
        finally:
            series.close()

    def _ask_grafana(self, words: Words) -> None:
        user, password = (os.environ[name] for name in LOG_IN)
        log_in = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310  # `check` lets only HTTP through
            f"{self.grafana.rstrip('/')}/api/org", headers={"Authorization": f"Basic {log_in}"}
        )
        try:
            urllib.request.urlopen(request, timeout=ANSWER_S).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                if error.code == UNAUTHORISED:
                    raise ValueError(words("server_refuses", names=", ".join(LOG_IN))) from error
                raise
        except http.client.HTTPException as error:
            raise ValueError(f"it speaks no HTTP: {error!r}") from error

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


def hidden(address: str) -> str:
    """An address with stars for the password that stands in it."""
    scheme, is_one, rest = address.partition("://")
    log_in, at, host = rest.rpartition("@")
    user, colon, _ = log_in.partition(":")
    return f"{scheme}{is_one}{user}{colon and ':***'}{at}{host}"
