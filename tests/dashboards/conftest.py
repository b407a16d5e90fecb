"""A Grafana to provision: the stand-in always, a real one beside it when GRAFANA_URL names it."""

import os
import secrets
from collections.abc import Iterator

import pytest

from fakes import province
from fakes.grafana import Grafana
from haidang_dashboards.grafana.gateway import Login
from haidang_protocols.catalogue import Catalogue
from servers.grafana import Target

LIVE_URL = os.environ.get("GRAFANA_URL", "")
KINDS = ["stand-in", *(["live"] if LIVE_URL else [])]


@pytest.fixture
def stand_in() -> Iterator[Grafana]:
    """Grafana's boundary with its measured behaviour."""
    grafana = Grafana()
    yield grafana
    grafana.close()


@pytest.fixture
def centre() -> str:
    """A centre's id that no other test has."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, centre: str) -> Iterator[Target]:
    """The stand-in, or the Grafana that GRAFANA_URL names; it is left as it was."""
    if request.param == "live":
        user = os.environ.get("GRAFANA_USER", "admin")
        password = os.environ.get("GRAFANA_PASSWORD", "admin")
        found = Target(LIVE_URL.rstrip("/"), Login(user=user, password=password))
    else:
        stand_in: Grafana = request.getfixturevalue("stand_in")
        found = Target(stand_in.url, Login(user="admin", password="admin-secret"))
    yield found
    for number in found.organisations(centre).values():
        found.ask("DELETE", f"/api/orgs/{number}")


@pytest.fixture
def catalogue(centre: str) -> Catalogue:
    """A small province of its own name."""
    return province.province(province.TEXT.replace("centre: {id: tinh", f"centre: {{id: {centre}"))
