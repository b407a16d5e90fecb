"""The console as people use it: a real process, a real browser, each role, wide and on a phone."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa

from fakes.wall import CENTRE, PASSWORD, SECOND_NS, SPOOL, street
from haidang_cloud.cases import Answer, AnswerDesk, CaseShelf
from haidang_cloud.people import Rights, audit
from haidang_cloud.state.tables import blob_access
from haidang_protocols.wire.messages import AnswerKind, CameraState, CaseAnswer, encode
from haidang_protocols.wire.reasons import Reason, because
from haidang_protocols.wire.topics import answer_topic
from servers import start
from system.browser.access import barriers
from system.browser.centre import Centre
from system.browser.chromium import PHONE, WIDE, Browser

POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
LIVE = ".standing .pulse:not(.waiting)"


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: Path) -> Iterator[Centre]:
    """One console for all: each test raises alarms of its own."""
    folder = tmp_path_factory.mktemp("console")
    broker = start.mosquitto(mosquitto_program, folder / "broker")
    broker.start()
    made = Centre(folder, broker.port)
    made.coast.hour(away={"cho-vung-tau-1": range(20, 35)})
    silent = because("camera.silent", seconds=41)
    made.nodes.broken = {"cho-ba-ria-2": (CameraState.STALLED, silent)}
    made.nodes.reasons = {
        "br-1": because("broker.lost", why="Unspecified error"),
        "bs-1": because(
            "broker.unreached",
            broker="trung-tam:8883",
            why="its certificate is not of our authority",
        ),
        "br-2": Reason(code="fan.stopped"),
    }
    made.nodes.spools, made.nodes.silent = {"br-2": (1240, 312.0)}, {"pm-1"}
    made.nodes.start()
    made.serve()
    yield made
    made.close()
    broker.stop()


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
    # it is back, and says so: what was once is not how it is
    browser.wait_text("tr[data-node=br-1] [data-label='Lý do gần nhất']", "nối lại lúc ")
    browser.wait_text("tr[data-node=br-1]", "; trước đó mất kết nối với broker: đứt giữa chừng")
    browser.wait_text(
        "tr[data-node=bs-1]", "chứng thư của broker không do nơi cấp của trung tâm ký"
    )
    browser.wait_text("tr[data-node=br-2]", "fan.stopped")  # of a newer node: its own words
    browser.open(f"{centre.origin}/cameras")
    browser.wait_text("[data-camera=cho-ba-ria-2]", "không có dữ liệu trong 41 giây")


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


WAITED = """
const [id, long] = arguments;
import("haidang-live").then(({ cases }) => {
  const row = cases.get(id);
  cases.set(id, { ...row, raised: row.raised - long });
});
"""


def test_a_long_queue_is_sifted_and_gone_through(browser: Browser, centre: Centre) -> None:
    old = centre.coast.alarm("cho-vung-tau-1", "dong", age_s=2, picture=False)
    taken = centre.coast.alarm("cho-vung-tau-2", "dong", age_s=1, picture=False)
    new = centre.coast.alarm("cho-vung-tau-2", "qua", picture=False)
    answered(centre, taken, AnswerKind.ACKNOWLEDGED, "binh")
    enter(browser, centre, "an", to="/alarms")
    browser.wait(f"[data-case={old}]")
    browser.run(WAITED, old, 9_000_000)
    browser.wait_text(f"[data-case={old}] .timer b", "2 g 30 ph")
    browser.write(".filters input", "cho vung tau")
    start.wait_until(
        lambda: listed(browser) == [old, taken, new], what="by urgency, no marks typed"
    )
    browser.click("[data-act=untaken]")
    start.wait_until(lambda: listed(browser) == [old, new], what="what nobody has taken up")
    browser.click("[data-act=newest]")
    start.wait_until(lambda: listed(browser) == [new, old], what="the newest first")
    browser.click(f"[data-case={new}]")
    browser.click("[data-answer=false]")
    browser.wait("[data-act=next]")
    assert barriers(browser) == []
    browser.click("[data-act=next]")
    browser.wait(f".detail[data-shown={old}]")
    assert barriers(browser) == []
    for case in (old, taken):
        answered(centre, case, AnswerKind.FALSE, "an")


def listed(browser: Browser) -> list[str | None]:
    """The queue's cases as they stand."""
    rows = sorted(browser.all(".queue .item"), key=lambda row: row.location["y"])
    return [row.get_attribute("data-case") for row in rows]


def test_a_camera_is_shown_with_its_zones(browser: Browser, centre: Centre) -> None:
    for n in (1, 2):
        crop = (n / 10, 0.2, n / 10 + 0.3, 0.6)
        centre.blobs.put(
            f"vt-1.{SPOOL}.90{n}",
            street(seed=n),
            camera="cho-vung-tau-2",
            now_ns=time.time_ns(),
            keep_ns=3600 * SECOND_NS,
            crop=crop,
        )
    case = centre.coast.alarm("cho-vung-tau-2", "dem", picture=False)
    enter(browser, centre, "an", to="/cameras")
    browser.wait("[data-camera=cho-vung-tau-2] img")
    browser.click("[data-camera=cho-vung-tau-2]")
    browser.wait(".view .sight img")
    browser.wait(".view .zone.hot")
    older = browser.find(".view .sight img.older")
    assert "20% auto auto 10%" in str(older.get_attribute("style")), "it lies where it was taken"
    browser.wait_text(".view .taken", "Ghép từ các ảnh đã che gần nhất")
    assert len(browser.all(".view .zone")) == 2
    assert len(browser.all(".view polyline.wire")) == 1
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


# --- every role ---------------------------------------------------------------------------------

Case = Callable[[str], str]
EVERY = {"/", "/alarms", "/cameras", "/nodes", "/boards", "/audit"}
ROLES = {
    "lan": EVERY - {"/nodes", "/audit"},
    "phuc": EVERY - {"/nodes", "/audit"},
    "hoa": EVERY - {"/audit"},
    "an": EVERY - {"/audit"},
    "chi": {"/", "/alarms", "/cameras"},
    "dung": {"/", "/cameras", "/nodes"},
    "giang": {"/", "/alarms", "/cameras", "/audit"},
    "khanh": EVERY,
}
"""What each of the catalogue's people finds in the bar."""
FORBIDDEN = {"vi": "Vai trò của bạn không xem được trang này.", "en": "Your role does not see"}
DRAWING = {"zones": [], "lines": [], "base": 1, "why": "bỏ hết vùng"}
VIEWS = [pytest.param(WIDE, "vi", id="wide-vi"), pytest.param(PHONE, "en", id="phone-en")]
SIZES = {"wide": WIDE, "phone": PHONE}


def speak(browser: Browser, language: str) -> None:
    browser.run(f"document.cookie = 'haidang_language={language}; path=/'")


def show(browser: Browser, centre: Centre, page: str) -> None:
    """Open a page, and wait until it is drawn."""
    browser.open(centre.origin + page)
    browser.wait(LIVE)
    start.wait_until(lambda: not browser.all(".skeleton"), what=f"{page} is drawn")


def come(browser: Browser, centre: Centre, login: str, view: tuple[tuple[int, int], str]) -> None:
    """Log in on such a screen, in such a language, and find the pages that are one's own."""
    size, language = view
    browser.resize(size)
    browser.open(f"{centre.origin}/login")
    speak(browser, language)
    enter(browser, centre, login)
    ways = {str(way.get_attribute("href")) for way in browser.all(".ways a")}
    assert {way.removeprefix(centre.origin) or "/" for way in ways} == ROLES[login]


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_a_leader_sees_their_own_part_and_only_looks(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    mine, other = centre.coast.alarm("cho-ba-ria-1", "dem"), centre.coast.alarm("bai-sau-1", "dem")
    come(browser, centre, "phuc", (size, language))
    browser.wait(f".shortlist a[href='/alarms/{mine}']")
    assert not browser.all(f".shortlist a[href='/alarms/{other}']")
    cameras = {str(one.get_attribute("data-camera")) for one in browser.all(".sketch .cam")}
    assert cameras == {"cho-ba-ria-1", "cho-ba-ria-2", "nga-tu-1", "nga-tu-2"}
    assert not browser.all("[data-tally=nodes]")
    show(browser, centre, f"/alarms/{mine}")
    browser.wait_text(".actions", "chỉ xem" if language == "vi" else "only look")
    assert not browser.all("[data-answer]")
    assert browser.errors() == []
    show(browser, centre, f"/alarms/{other}")
    browser.wait_text(".detail", "bạn không xem được" if language == "vi" else "you may not see")
    for case in (mine, other):
        answered(centre, case, AnswerKind.FALSE, "an")


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_a_shift_leader_calls_an_alarm_false_and_sees_what_others_do(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    case, other = centre.coast.alarm("nga-tu-1", "dem"), centre.coast.alarm("cang-1", "dong")
    come(browser, centre, "hoa", (size, language))
    show(browser, centre, "/alarms")
    answered(centre, other, AnswerKind.ON_SCENE, "binh")
    browser.wait_text(f"[data-case={other}]", "Lê Thanh Bình")
    browser.click(f"[data-case={case}]")
    browser.find(".actions input").send_keys("mèo hoang")
    browser.click("[data-answer='false']")
    browser.wait_text("li[data-step='false']", "mèo hoang")
    assert state_of(centre, case) == ("false_alarm", "hoa")
    answered(centre, other, AnswerKind.DONE, "binh")
    assert browser.errors() == []


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_an_operator_has_boards(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    come(browser, centre, "an", (size, language))
    show(browser, centre, "/boards?scope=vung-tau&hours=6")
    browser.wait(".board canvas")
    assert "Vũng Tàu" in browser.text(".filterline") or language == "en"
    show(browser, centre, "/boards?board=nodes")
    browser.wait_text(".board", "Nút" if language == "vi" else "Nodes")
    assert browser.run("return document.documentElement.scrollWidth") == size[0]
    assert browser.errors() == []


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_a_guard_takes_an_alarm_up_goes_there_and_closes_it(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    other = centre.coast.alarm("cho-ba-ria-1", "dem")
    case = centre.coast.alarm("bai-sau-1", "dem")
    come(browser, centre, "chi", (size, language))
    assert not browser.all(".zones, .feed, [data-tally=events], [data-tally=nodes]")
    browser.click(f".shortlist a[href='/alarms/{case}']")
    browser.wait(".detail .sight img")
    assert not browser.all(f"[data-case={other}]")
    for kind in ("acknowledged", "on_scene"):
        browser.click(f"[data-answer={kind}]")
        browser.wait(f"li[data-step={kind}]")
    browser.find(".actions input").send_keys("không có ai, cửa khoá")
    browser.click("[data-answer=done]")
    browser.wait_text("li[data-step=done]", "cửa khoá")
    assert state_of(centre, case) == ("closed", "chi")
    if size == PHONE:
        browser.click(".detail .back")
        start.wait_until(lambda: not browser.all(f"[data-case={case}]"), what="it leaves the queue")
    show(browser, centre, "/audit")
    browser.wait_text("main", FORBIDDEN[language])
    assert browser.run("return document.documentElement.scrollWidth") == size[0]
    assert browser.errors() == []
    answered(centre, other, AnswerKind.FALSE, "an")


HUSH = """
import("haidang-live").then(({ nodes }) => {
  const row = nodes.get(arguments[0]);
  nodes.set(row.id, { ...row, at: row.at - 90000, since: 0 });
});
"""


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_a_technician_finds_the_node_that_has_gone_silent(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    case = centre.coast.alarm("bai-sau-1", "dem")
    come(browser, centre, "dung", (size, language))
    browser.wait("tr[data-node=br-1][data-state=online]")
    assert not browser.all(".shortlist, .looks, [data-severity], .ways .count")
    show(browser, centre, "/nodes")
    centre.nodes.silent.add("br-1")
    gone = "tr[data-node=br-1][data-state=silent]"

    word = "Im lặng" if language == "vi" else "Silent"

    def hushed() -> bool:
        # again each time: a heartbeat that was on its way would be its last word for a while
        browser.run(HUSH, "br-1")
        return word in browser.text(gone)

    start.wait_until(hushed, what="the node is silent")
    centre.nodes.silent.discard("br-1")
    browser.wait("tr[data-node=br-1][data-state=online]")
    browser.wait("tr[data-node=pm-1][data-state=never]")
    show(browser, centre, "/alarms")
    browser.wait_text("main", FORBIDDEN[language])
    assert browser.errors() == []
    answered(centre, case, AnswerKind.FALSE, "an")


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_an_auditor_reads_who_did_what_and_can_do_nothing(
    browser: Browser, centre: Centre, size: tuple[int, int], language: str
) -> None:
    case = centre.coast.alarm("bai-sau-1", "dem")
    answered(centre, case, AnswerKind.ON_SCENE, "binh")
    desk = AnswerDesk(centre.state, CENTRE, centre.accounts)
    topic, given = (
        answer_topic(CENTRE, "centre", case),
        CaseAnswer(answer=AnswerKind.DONE, token="?"),
    )
    desk.take(topic, encode(given), Rights(centre.catalogue), now_ns=time.time_ns())
    come(browser, centre, "giang", (size, language))
    show(browser, centre, "/audit")
    why = "Mã truy cập không có hoặc" if language == "vi" else "The token is not known or"
    assert why in browser.text(".log")
    acted = "Có mặt ở hiện trường" if language == "vi" else "On scene"
    assert acted in browser.text(".log")
    assert f"case/{case}" in browser.text(".log")
    with centre.client("chi") as guard:
        assert guard.get(f"/live/cases/{case}/picture").status_code == 200
    show(browser, centre, "/audit?log=looks")
    browser.wait_text("main", f"case/{case}")
    assert "chi" in browser.text("main table")
    show(browser, centre, f"/alarms/{case}")
    browser.wait("li[data-step=on_scene]")
    assert not browser.all("[data-answer], .detail .sight img")
    assert browser.errors() == []
    answered(centre, case, AnswerKind.DONE, "binh")


def test_what_a_page_does_not_offer_is_refused_when_asked_for_by_hand(centre: Centre) -> None:
    case = centre.coast.alarm("bai-sau-1", "dem")
    acts = {
        "read": ("GET", f"/live/cases/{case}", None),
        "picture": ("GET", f"/live/cases/{case}/picture", None),
        "answer": ("POST", f"/live/cases/{case}/answers", {"answer": "acknowledged"}),
        "note": ("POST", f"/live/cases/{case}/notes", {"note": "…"}),
        "draw": ("POST", "/live/cameras/bai-sau-1/drawing", DRAWING),
    }
    refused = {
        "lan": {"answer": 403, "note": 403, "draw": 403},
        "phuc": {"read": 404, "picture": 404, "answer": 404, "note": 404, "draw": 404},
        "dung": {"read": 404, "picture": 404, "answer": 404, "note": 404},
        "giang": {"picture": 403, "answer": 403, "note": 403, "draw": 403},
        "chi": {"draw": 403},
        "an": {"draw": 403},
    }
    for login, wanted in refused.items():
        with centre.client(login) as client:
            told = {
                act: client.request(method, path, json=body).status_code
                for act, (method, path, body) in acts.items()
                if act in wanted
            }
            assert told == wanted, login
            client.cookies.set("haidang_language", "en")
            asked = {page: client.get(page, headers={"Accept": "text/html"}).text for page in EVERY}
            pages = {page for page, text in asked.items() if FORBIDDEN["en"] not in text}
            assert pages == ROLES[login], login
    assert state_of(centre, case) == ("raised", "")
    answered(centre, case, AnswerKind.FALSE, "an")


# --- every page ---------------------------------------------------------------------------------

PAGES = ["/", "/alarms", "/alarms/{case}", "/cameras", "/cameras/bai-sau-1", "/nodes"]
PAGES += ["/boards", "/audit", "/nothing/there"]
SMALL = """
const shown = (e) => e.getClientRects().length && getComputedStyle(e).visibility !== "hidden";
const little = ({ width, height }) => width < 43.5 || height < 43.5;
return [...document.querySelectorAll("a:not(.skip):not(.cam), button, input, select")]
  .filter((e) => shown(e) && little(e.getBoundingClientRect()))
  .map((e) => e.outerHTML.slice(0, 160));
"""


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_fits_is_drawn_whole_and_shuts_nobody_out(
    browser: Browser, centre: Centre, language: str
) -> None:
    case = centre.coast.alarm("bai-sau-1", "dong")
    enter(browser, centre, "khanh")
    speak(browser, language)
    for page in PAGES:
        show(browser, centre, page.format(case=case))
        assert browser.run("return document.documentElement.lang") == language
        for name, size in SIZES.items():
            browser.resize(size)
            where = f"{page} {name}"
            assert browser.run("return document.documentElement.scrollWidth") == size[0], where
            assert barriers(browser) == [], where
            assert name == "wide" or browser.run(SMALL) == [], where
        assert browser.errors() == [] or page == PAGES[-1], page
    answered(centre, case, AnswerKind.FALSE, "an")
    browser.forget()
    browser.open(f"{centre.origin}/login")
    assert barriers(browser) == []


def test_a_page_that_is_not_there_says_so_and_leads_back(browser: Browser, centre: Centre) -> None:
    enter(browser, centre, "chi")
    show(browser, centre, "/khong-co")
    browser.wait_text("main", "Không có trang này.")
    browser.click("main a.button")
    browser.wait(".tally")
    with centre.client("chi") as client:
        assert client.get("/khong-co").status_code == 404


# --- a long shift -------------------------------------------------------------------------------


def test_keys_are_told_and_lead_anywhere(browser: Browser, centre: Centre) -> None:
    first, second = centre.coast.alarm("bai-sau-1", "dem"), centre.coast.alarm("cang-1", "dem")
    enter(browser, centre, "an")
    browser.press("?")
    browser.wait_text("dialog[open]", "Phím tắt")
    browser.press("2")
    assert browser.run("return location.pathname") == "/"
    browser.click("dialog[open] button")
    browser.press("2")
    browser.wait(f"[data-case={first}]")
    browser.wait_text(".detail", "Chọn cảnh báo kế trước, kế sau")
    shown = [str(item.get_attribute("data-case")) for item in browser.all(".item")]
    for key, case in (("j", shown[0]), ("j", shown[1]), ("k", shown[0])):
        browser.press(key)
        browser.wait(f".detail[data-shown={case}]")
    for case in (first, second):
        answered(centre, case, AnswerKind.FALSE, "an")


def test_a_new_alarm_is_heard_by_who_asked_for_it(browser: Browser, centre: Centre) -> None:
    bell = "[data-act=bell]"
    enter(browser, centre, "an")
    before = [centre.coast.alarm("bai-sau-1", "dem")]
    browser.wait(f".shortlist a[href='/alarms/{before[0]}']")
    assert browser.find(bell).get_attribute("aria-pressed") == "false"
    assert browser.find(bell).get_attribute("data-rung") == "0"
    browser.click(bell)
    show(browser, centre, "/cameras")
    assert browser.find(bell).get_attribute("aria-pressed") == "true"
    before.append(centre.coast.alarm("bai-sau-2", "dem"))
    browser.wait(f"{bell}[data-rung='1']")
    told = int(browser.text(".ways .count"))
    assert browser.driver.title == f"({told}) Camera · Hải đăng"
    browser.click(bell)
    for case in before:
        answered(centre, case, AnswerKind.FALSE, "an")
    left = f"({told - 2}) Camera · Hải đăng" if told > 2 else "Camera · Hải đăng"
    start.wait_until(lambda: browser.driver.title == left, what="two less are open")


HOURS = """
const done = arguments[0];
const minute = Date.UTC(2026, 10, 25, 17, 20) / 60000;
import("haidang-live").then(({ quarters }) => done(quarters(minute)));
"""


def test_hours_are_the_centre_s_wherever_the_browser_stands(
    browser: Browser, centre: Centre
) -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "America/Lima"})
    enter(browser, centre, "an")
    shown = datetime.strptime(browser.text(".clock")[:5], "%H:%M").replace(tzinfo=zone)
    now = datetime.now(zone)
    assert (now.hour * 60 + now.minute - shown.hour * 60 - shown.minute) % 1440 <= 1
    ticks = browser.driver.execute_async_script(HOURS)
    assert [tick["text"] for tick in ticks] == ["23:30", "23:45", "00:00", "00:15"]
    assert [round(tick["at"] * 60) for tick in ticks] == [9, 24, 39, 54]
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_minutes_that_nobody_counted_are_a_gap_not_a_line(browser: Browser, centre: Centre) -> None:
    enter(browser, centre, "an")
    line = "[data-strip='{}/loi-di'] .line"
    gone = browser.find(line.format("cho-vung-tau-1")).get_attribute("d")
    whole = browser.find(line.format("cho-vung-tau-2")).get_attribute("d")
    assert (str(gone).count("M"), str(whole).count("M")) == (2, 1)
    assert len(browser.all(".zones .axis span")) >= 3
