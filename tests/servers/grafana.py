"""A Grafana, real or stood in for, asked as any client may."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from haidang_dashboards.datasources import DataSource
from haidang_dashboards.grafana.gateway import Gateway, Login
from haidang_protocols.catalogue import Catalogue


@dataclass
class Target:
    """A Grafana with the server administrator's log-in, asked as any client may."""

    url: str
    login: Login

    def gateway(self) -> Gateway:
        return Gateway(self.url, self.login)

    def ask(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        organisation: int = 0,
        login: Login | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        who = login or self.login
        word = base64.b64encode(f"{who.user}:{who.password}".encode()).decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        if organisation:
            headers["X-Grafana-Org-Id"] = str(organisation)
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", raw, headers, method=verb)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")

    def organisations(self, centre: str) -> dict[str, int]:
        """Numbers of a centre's organisations by name."""
        _, found = self.ask("GET", "/api/orgs")
        return {each["name"]: each["id"] for each in found if f"[{centre}/" in each["name"]}

    def organisation(self, centre: str, scope: str) -> int:
        """The number of a scope's organisation."""
        named = self.organisations(centre).items()
        (number,) = [number for name, number in named if name.endswith(f"[{centre}/{scope}]")]
        return number

    def versions(self, uid: str, *, organisation: int) -> int:
        """How many versions a board has."""
        _, found = self.ask("GET", f"/api/dashboards/uid/{uid}/versions", organisation=organisation)
        listed = found["versions"] if isinstance(found, dict) else found
        return len(listed)


def sources_of(catalogue: Catalogue, url: str = "http://influxdb:8086") -> dict[str, DataSource]:
    """A bucket for each scope, as `haidang catalog apply` tells of them."""
    return {
        scope.id: DataSource(
            url=url,
            org="haidang",
            bucket=f"{catalogue.centre.id}-scope-{scope.id}",
            database=f"{catalogue.centre.id}-scope-{scope.id}",
            token=f"token-of-{scope.id}",
        )
        for scope in catalogue.scopes
    }
