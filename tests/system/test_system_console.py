"""The console as people use it: a real process, a real browser, each role, wide and on a phone."""

import time
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from fakes.wall import CENTRE, PASSWORD
from haidang_cloud.cases import Answer, CaseShelf
from haidang_cloud.people import audit
from haidang_cloud.state.tables import blob_access
from haidang_protocols.wire.messages import AnswerKind, CameraState
from servers import find, start
from system.browser.access import barriers
from system.browser.centre import Centre
from system.browser.chromium import PHONE, WIDE, Browser, programs

POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
LIVE = ".standing .pulse:not(.waiting)"


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """One console for all: each test raises alarms of its own."""
    mosquitto = find.program("mosquitto")
    if mosquitto is None or programs() is None:
        pytest.skip("mosquitto, chromium and chromedriver are needed")
    folder = tmp_path_factory.mktemp("console")
    broker = start.mosquitto(mosquitto, folder / "broker")
    broker.start()
    made = Centre(folder, broker.port)
    made.coast.hour()
    made.nodes.broken = {"cho-ba-ria-2": (CameraState.STALLED, "không có hình mới trong 41 giây")}
    made.nodes.spools, made.nodes.silent = {"br-2": (1240, 312.0)}, {"pm-1"}
    made.nodes.start()
    made.serve()
    yield made
    made.close()
    broker.stop()


@pytest.fixture(scope="module")
def window(centre: Centre) -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The window, with nobody logged in and no complaint left over."""
    window.forget()
    window.resize(WIDE)
    window.offline(off=False)
    window.errors()
    yield window
    window.open("about:blank")


def enter(browser: Browser, centre: Centre, login: str, to: str = "/") -> None:
    browser.log_in(centre.origin, login, PASSWORD, to=to)
    browser.wait(LIVE)


def state_of(centre: Centre, case: str) -> tuple[str, str]:
    found = CaseShelf(centre.state, CENTRE).read(case)
    assert found is not None
    return found.state.value, found.by


def answered(centre: Centre, case: str, kind: AnswerKind, by: str) -> None:
    answer = Answer(kind=kind, actor=by, via="mqtt")
    centre.coast.desk.answer(case, answer, now_ns=time.time_ns())


# --- the door -----------------------------------------------------------------------------------


def test_without_a_session_there_is_nothing_but_the_log_in(centre: Centre) -> None:
    with httpx.Client(base_url=centre.origin) as anybody:
        page = anybody.get("/alarms", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login?to=/alarms")
        for path in (
            "/live/state",
            "/live/setting",
            "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
        ):
            answer = anybody.get(path)
            assert answer.status_code == 401, path
            assert answer.json()["type"] == "urn:haidang:problem:login"
        assert anybody.get("/login").status_code == 200


def test_another_site_s_page_can_do_nothing(centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-1", "dem")
    with centre.client("an") as client:
        evil = {"Origin": "https://evil.example"}
        path = f"/live/cases/{case}/answers"
        asked = client.post(path, json={"answer": "acknowledged"}, headers=evil)
        assert asked.status_code == 403
        assert client.get(POLLING, headers=evil).status_code == 403
    assert state_of(centre, case) == ("raised", "")
    answered(centre, case, AnswerKind.FALSE, "an")


def test_nobody_sees_or_answers_what_lies_outside_their_scope(centre: Centre) -> None:
    case = centre.coast.alarm("cho-ba-ria-1", "dong")
    with centre.client("chi") as guard:
        assert guard.get(f"/live/cases/{case}").status_code == 404
        assert guard.get(f"/live/cases/{case}/picture").status_code == 404
        given = guard.post(f"/live/cases/{case}/answers", json={"answer": "acknowledged"})
        assert given.status_code == 404
        told = guard.get("/live/state").json()
        assert {row["scope"] for row in told.get("cases", [])} <= {"vung-tau"}
        assert "nodes" not in told
    with centre.client("lan") as leader:
        seen = leader.get(f"/live/cases/{case}").json()
        assert (seen["answers"], seen["may_note"], seen["picture"]) == ([], False, True)
        given = leader.post(f"/live/cases/{case}/answers", json={"answer": "acknowledged"})
        assert given.status_code == 403
    answered(centre, case, AnswerKind.FALSE, "an")


def test_a_look_at_a_picture_leaves_a_name(centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-2", "dong")
    with centre.client("chi") as guard:
        picture = guard.get(f"/live/cases/{case}/picture")
        assert picture.content.startswith(b"\xff\xd8")
    wanted = sa.select(blob_access.c.actor).where(blob_access.c.why == f"case/{case}")
    with centre.state.read() as connection:
        assert connection.execute(wanted).scalars().all() == ["chi"]
    answered(centre, case, AnswerKind.FALSE, "an")


def test_a_link_lets_somebody_in_once(browser: Browser, centre: Centre) -> None:
    link = centre.accounts.entry_link("an", actor="lan", now_ns=time.time_ns())
    browser.open(f"{centre.origin}/enter#link={link}")
    browser.wait_text(".person .name", "Nguyễn Văn An")
    browser.forget()
    browser.open(f"{centre.origin}/enter?again#link={link}")
    browser.wait_text("#said", "đã dùng hoặc đã hết hạn")


def test_a_wrong_password_is_told_so(browser: Browser, centre: Centre) -> None:
    browser.open(f"{centre.origin}/login")
    browser.find("input[name=login]").send_keys("an")
    browser.find("input[name=password]").send_keys("sai mật khẩu\n")
    browser.wait_text("#said", "Tên đăng nhập hoặc mật khẩu không đúng.")


# --- the wall -----------------------------------------------------------------------------------


def test_an_alarm_shows_on_the_wall_without_reload(browser: Browser, centre: Centre) -> None:
    enter(browser, centre, "an")
    before = browser.text("[data-severity=critical] [data-count]")
    browser.run("window.stays = true")
    case = centre.coast.alarm("cho-vung-tau-1", "dem")
    browser.wait(f".shortlist a[href='/alarms/{case}']")
    assert int(browser.text("[data-severity=critical] [data-count]")) == int(before) + 1
    browser.wait(f".sketch a[href='/alarms/{case}'] .wave")
    browser.wait_text(".feed", "Chợ Vũng Tàu 1 · Sân trong")
    answered(centre, case, AnswerKind.FALSE, "binh")
    start.wait_until(
        lambda: browser.text("[data-severity=critical] [data-count]") == before,
        what="the alarm leaves the wall",
    )
    assert browser.run("return window.stays")
    assert browser.errors() == []


def test_the_figures_are_those_of_the_nodes(browser: Browser, centre: Centre) -> None:
    enter(browser, centre, "an")
    browser.wait_text("[data-tally=cameras]", "7")
    browser.wait_text("[data-tally=cameras]", "3 camera không nhìn được")
    browser.wait_text("[data-tally=nodes]", "1.240 bản ghi chờ gửi")
    browser.open(f"{centre.origin}/nodes")
    browser.wait("tr[data-node=pm-1][data-state=never]")
    browser.wait_text("tr[data-node=br-2]", "5 phút")
    browser.open(f"{centre.origin}/cameras")
    browser.wait_text("[data-camera=cho-ba-ria-2]", "không có hình mới trong 41 giây")


def test_an_alarm_is_answered_by_keys(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("nga-tu-1", "dem")
    enter(browser, centre, "an", to=f"/alarms/{case}")
    browser.wait(f".detail[data-shown={case}]")
    browser.wait(".detail .sight img")
    browser.press("n")
    browser.press("tổ 3 tới ngay")
    browser.run("document.activeElement.blur()")
    browser.press("a")
    browser.wait("li[data-step=acknowledged]")
    assert state_of(centre, case) == ("acknowledged", "an")
    browser.wait_text("li[data-step=acknowledged]", "tổ 3 tới ngay")
    browser.press("s")
    browser.wait("li[data-step=on_scene]")
    browser.press("d")
    browser.wait("li[data-step=done]")
    assert state_of(centre, case) == ("closed", "an")
    done = [line.action for line in audit.newest(centre.state, CENTRE, limit=20)]
    assert {"case.acknowledged", "case.on_scene", "case.done"} <= set(done)
    assert browser.errors() == []


def test_what_another_person_did_shows_at_once(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-1", "dong")
    enter(browser, centre, "an", to=f"/alarms/{case}")
    browser.wait("[data-answer=acknowledged]")
    answered(centre, case, AnswerKind.ON_SCENE, "binh")
    browser.wait_text("li[data-step=on_scene]", "Lê Thanh Bình")
    browser.wait("[data-answer=done]")
    browser.wait_text(f"[data-case={case}]", "Có mặt · Lê Thanh Bình")
    answered(centre, case, AnswerKind.DONE, "binh")
    browser.wait_text(".actions", "Cảnh báo đã khép lại")


def test_who_comes_second_is_told_who_was_first(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-2", "dem")
    enter(browser, centre, "an", to=f"/alarms/{case}")
    browser.wait("[data-answer=acknowledged]")
    # what binh does reaches this page a moment late
    browser.run("window.socket.off('live.news')")
    answered(centre, case, AnswerKind.ACKNOWLEDGED, "binh")
    browser.click("[data-answer=acknowledged]")
    browser.wait_text(".toasts", "Lê Thanh Bình đã trả lời trước: Đã tiếp nhận")
    browser.wait("[data-answer=done]")
    assert state_of(centre, case) == ("acknowledged", "binh")
    answered(centre, case, AnswerKind.DONE, "binh")


def test_a_guard_answers_on_a_phone_by_taps(browser: Browser, centre: Centre) -> None:
    other = centre.coast.alarm("cho-ba-ria-1", "dem")
    case = centre.coast.alarm("bai-sau-1", "dem")
    browser.resize(PHONE)
    enter(browser, centre, "chi", to="/alarms")
    browser.click(f"[data-case={case}]")
    assert not browser.all(f"[data-case={other}]")
    browser.click("[data-answer=on_scene]")
    browser.wait("li[data-step=on_scene]")
    browser.find(".actions input").send_keys("không có ai, cửa khoá")
    browser.click("[data-answer=note]")
    browser.wait_text("li[data-step=note]", "cửa khoá")
    assert state_of(centre, case) == ("on_scene", "chi")
    browser.click("[data-answer='false']")
    browser.wait("li[data-step='false']")
    browser.click(".detail .back")
    start.wait_until(lambda: not browser.all(f"[data-case={case}]"), what="it leaves the queue")
    assert browser.run("return document.documentElement.scrollWidth") == PHONE[0]
    answered(centre, other, AnswerKind.FALSE, "an")


def test_a_camera_is_shown_with_its_zones(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("cho-vung-tau-2", "dem")
    enter(browser, centre, "an", to="/cameras")
    browser.wait("[data-camera=cho-vung-tau-2] img")
    browser.click("[data-camera=cho-vung-tau-2]")
    browser.wait(".view .sight img")
    browser.wait(".view .zone.hot")
    assert len(browser.all(".view .zone")) == 2
    assert len(browser.all(".view .wire")) == 1
    assert "Vạch dừng" in browser.text(".view")
    answered(centre, case, AnswerKind.FALSE, "an")


# --- what goes wrong ----------------------------------------------------------------------------


def test_the_page_comes_back_by_itself_when_the_console_does(
    browser: Browser, centre: Centre
) -> None:
    enter(browser, centre, "an", to="/alarms")
    assert centre.stop() == 0
    browser.wait(".banner.lost")
    case = centre.coast.alarm("cang-1", "dem", picture=False)
    centre.serve()
    browser.wait(f"[data-case={case}]", timeout_s=60)
    assert not browser.all(".banner.lost")
    answered(centre, case, AnswerKind.FALSE, "an")


def test_a_session_that_ends_keeps_the_page_and_asks(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-1", "dem")
    enter(browser, centre, "an", to=f"/alarms/{case}")
    browser.wait("[data-answer=acknowledged]")
    browser.find(".actions input").send_keys("nửa câu")
    secret = browser.driver.get_cookie("haidang")
    assert secret is not None
    centre.accounts.log_out(secret["value"])
    browser.wait(".overlay input[type=password]")
    assert browser.run("return document.querySelector('.actions input').value") == "nửa câu"
    browser.find(".overlay input").send_keys(PASSWORD + "\n")
    start.wait_until(lambda: not browser.all(".overlay"), what="the page goes on")
    browser.wait(LIVE)
    answered(centre, case, AnswerKind.ON_SCENE, "binh")
    browser.wait("li[data-step=on_scene]")
    assert browser.run("return document.querySelector('.actions input').value") == "nửa câu"
    answered(centre, case, AnswerKind.DONE, "binh")


# --- every page, every role ---------------------------------------------------------------------

ROLES = {
    "an": ["/", "/alarms", "/cameras", "/cameras/bai-sau-1", "/nodes", "/boards"],
    "lan": ["/", "/alarms", "/cameras", "/boards"],
    "chi": ["/", "/alarms", "/cameras"],
    "dung": ["/", "/cameras", "/nodes"],
    "giang": ["/audit"],
}
WORDS = {"vi": ("Toàn cảnh", "Nhật ký"), "en": ("Overview", "Audit log")}


@pytest.mark.parametrize("login", ROLES)
def test_each_role_finds_its_pages_and_no_others(
    browser: Browser, centre: Centre, login: str
) -> None:
    """Wide in Vietnamese, on a phone in English; every page is drawn, and fits."""
    enter(browser, centre, login)
    for size, language in ((WIDE, "vi"), (PHONE, "en")):
        browser.run(f"document.cookie = 'haidang_language={language}; path=/'")
        browser.resize(size)
        for page in ROLES[login]:
            browser.open(centre.origin + page)
            browser.wait(LIVE)
            start.wait_until(lambda: not browser.all(".skeleton"), what="the page is drawn")
            assert browser.run("return document.documentElement.scrollWidth") == size[0], page
            assert browser.errors() == [], page
        ways = [str(way.get_attribute("href")) for way in browser.all(".ways a")]
        pages = {page for page in ROLES[login] if page.count("/") == 1}
        assert {way.removeprefix(centre.origin) for way in ways} == pages
        assert any(word in browser.text(".ways") for word in WORDS[language])


def test_nothing_of_a_page_shuts_people_out(browser: Browser, centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-1", "dong")
    enter(browser, centre, "an")
    for page in ROLES["an"]:
        browser.open(centre.origin + (f"/alarms/{case}" if page == "/alarms" else page))
        browser.wait(LIVE)
        start.wait_until(lambda: not browser.all(".skeleton"), what="the page is drawn")
        assert barriers(browser) == [], page
    answered(centre, case, AnswerKind.FALSE, "an")
    browser.forget()
    browser.open(f"{centre.origin}/login")
    assert barriers(browser) == []


def test_a_page_that_a_role_may_not_see_says_so(browser: Browser, centre: Centre) -> None:
    enter(browser, centre, "chi")
    browser.open(f"{centre.origin}/audit")
    browser.wait_text("main", "Vai trò của bạn không xem được trang này.")
