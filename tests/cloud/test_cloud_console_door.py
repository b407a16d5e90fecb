"""The console's door while the database is away: people read words, and their page comes back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from fakes.wall import CENTRE, coast
from haidang_cloud.blobs import Blobs
from haidang_cloud.broker import BrokerSettings
from haidang_cloud.console.door import Door
from haidang_cloud.console.hub import Hub
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.ruling import Ruling
from haidang_cloud.console.saying import sayer
from haidang_cloud.people import Accounts
from haidang_cloud.state import open_state
from haidang_cloud.timeseries import SqliteSeries
from haidang_cloud.web.problems import Problems

PAGE = {"Accept": "text/html,application/xhtml+xml"}
KNOWN = {"haidang": "a-session-of-yesterday"}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A console whose database nobody answers for."""
    state = open_state("postgresql+psycopg://nobody@127.0.0.1:1/none", away=True)
    series = SqliteSeries(tmp_path / "series.sqlite")
    accounts, blobs = Accounts(state, CENTRE), Blobs(tmp_path / "blobs", state, centre=CENTRE)
    hub = Hub(
        centre=CENTRE,
        name="a",
        state=state,
        series=series,
        accounts=accounts,
        blobs=blobs,
        broker=BrokerSettings(host="127.0.0.1", port=1, plain=True),
    )
    ruling = Ruling(coast(), 1)
    yield Parts(
        centre=CENTRE,
        origin="http://console.test",
        language="vi",
        state=state,
        series=series,
        accounts=accounts,
        blobs=blobs,
        ruling=lambda: ruling,
        hub=hub,
    )
    series.close()
    state.close()


async def beyond(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("the door let somebody through")


async def asked(parts: Parts, path: str, **given: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=Door(beyond, parts, Problems(sayer(parts.language))))
    async with httpx.AsyncClient(transport=transport, base_url=parts.origin) as client:
        client.cookies.update(given.pop("cookies", {}))
        return await client.get(path, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "words"),
    [("vi", "Trung tâm chưa trả lời"), ("en", "The centre does not answer")],
)
async def test_a_page_asked_for_meanwhile_says_so_and_comes_back(
    parts: Parts, language: str, words: str
) -> None:
    cookies = KNOWN | {"haidang_language": language}
    answer = await asked(parts, "/alarms", headers=PAGE, cookies=cookies)
    assert answer.status_code == 503
    assert words in answer.text
    assert "/readyz" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_what_a_page_asks_for_by_itself_gets_a_problem(parts: Parts) -> None:
    answer = await asked(parts, "/live/state", cookies=KNOWN)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:haidang:problem:away"
    assert answer.json()["detail"].startswith("Trung tâm chưa trả lời; chưa có gì thay đổi")


async def test_who_was_never_here_is_asked_to_log_in_all_the_same(parts: Parts) -> None:
    answer = await asked(parts, "/alarms", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=/alarms")
