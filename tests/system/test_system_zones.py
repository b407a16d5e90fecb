"""Zones and lines as people draw them: by mouse, touch and keys; published, applied, taken back."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from fakes.wall import CENTRE, PASSWORD, SECOND_NS
from haidang_cloud.people import audit
from haidang_cloud.state import versions
from haidang_cloud.state.tables import catalogue_version
from haidang_protocols.catalogue import geometry, load_texts
from haidang_protocols.catalogue.model import Camera, Text
from haidang_protocols.wire.reasons import because
from servers import start
from system.browser.access import barriers
from system.browser.centre import Centre
from system.browser.chromium import PHONE, WIDE, Browser, demand

LIVE = ".standing .pulse:not(.waiting)"
CORNERS = ".grip:not(.middle)"
ZONE = "return document.querySelector('.view .zone')?.getAttribute('points') ?? ''"
NUMBER = """
const [done] = arguments;
import("haidang-live").then(({ setting }) => done(setting.value?.catalogue));
"""
FAULTS = """
const [shapes, done] = arguments;
import("haidang-live").then(({ fault }) => done(shapes.map(fault)));
"""


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: Path) -> Iterator[Centre]:
    demand()
    folder = tmp_path_factory.mktemp("zones")
    broker = start.mosquitto(mosquitto_program, folder / "broker")
    broker.start()
    made = Centre(folder, broker.port)
    made.nodes.silent = {"vt-1"}
    made.nodes.start()
    made.serve()
    yield made
    made.close()
    broker.stop()


def edit(browser: Browser, centre: Centre, login: str, camera: str) -> None:
    browser.log_in(centre.origin, login, PASSWORD, to=f"/cameras/{camera}")
    browser.wait(LIVE)
    browser.click("[data-act=draw]")
    browser.wait(CORNERS)


def at(browser: Browser, corner: int) -> str:
    """Where a corner stands."""
    return str(browser.all(CORNERS)[corner].get_attribute("style"))


def type_in(browser: Browser, name: str, text: str) -> None:
    browser.write(f"input[name={name}]", text)


def decide(browser: Browser, verb: str, why: str) -> None:
    browser.click(f"[data-act={verb}]")
    type_in(browser, "reason", why)
    browser.click("[data-act=decide]")


def in_force(centre: Centre, camera: str) -> Camera:
    version = versions.newest(centre.state, CENTRE)
    assert version is not None
    return next(one for one in load_texts(version.texts).cameras if one.id == camera)


def publish(centre: Centre, camera: str) -> int:
    """Somebody else takes all zones from a camera; the version that this makes."""
    base = versions.newest_number(centre.state, CENTRE)
    drawing = {"zones": [], "lines": [], "dropped": ["dem", "dong", "qua"], "why": "dọn"}
    with centre.client("khanh") as admin:
        asked = admin.post(f"/live/cameras/{camera}/drawing", json={**drawing, "base": base})
        done = admin.post(f"/live/drafts/{asked.json()['id']}/publish", json={"why": "dọn"})
    number: int = done.json()["version"]
    return number


def proposed(browser: Browser, why: str) -> None:
    browser.click("[data-act=propose]")
    browser.wait_text(".editor [role=status]", "Hãy ghi lý do thay đổi")
    type_in(browser, "why", why)
    browser.click("[data-act=propose]")
    browser.wait("[data-outcome=open]")


def test_a_zone_is_drawn_proposed_published_applied_and_taken_back(
    browser: Browser, centre: Centre
) -> None:
    edit(browser, centre, "dung", "cang-1")
    corner = browser.all(CORNERS)[0]
    browser.hold(corner, 900, 0)
    browser.wait_text(".refused", "Cạnh của vùng không được cắt nhau")
    browser.let_go()
    browser.hold(corner, 0, -470)
    browser.wait_text(".refused", "Vùng không được ra ngoài khung hình")
    browser.let_go()
    assert at(browser, 0) == "left: 5%; top: 55%;"
    browser.hold(corner, 80, 40)
    browser.let_go()
    type_in(browser, "vi", "Lối xe")
    assert barriers(browser) == []
    proposed(browser, "xe đi sát lề")
    browser.wait_text(".toasts", "Đã đề xuất; chờ người có quyền công bố")
    browser.wait_text("[data-outcome=open] .changes", "đổi tên vùng “Lối xe”; sửa vùng “Lối xe”")
    assert not browser.all("[data-act=publish]")

    browser.forget()
    browser.log_in(centre.origin, "khanh", PASSWORD, to="/cameras/cang-1")
    browser.wait_text("[data-runs]", "nút đang chạy phiên bản 1")
    before = browser.run(ZONE)
    browser.click("[data-act=look]")
    start.wait_until(lambda: browser.run(ZONE) != before, what="the draft is shown")
    browser.click("[data-act=look]")
    start.wait_until(lambda: browser.run(ZONE) == before, what="what is in force is shown")
    browser.click("[data-act=publish]")
    start.wait_until(lambda: browser.run(ZONE) != before, what="the draft is shown while it asks")
    browser.click(".decision .button")
    start.wait_until(lambda: browser.run(ZONE) == before, what="it is not decided")
    decide(browser, "publish", "đã xem tại chỗ")
    start.wait_until(lambda: " 2" in browser.text("[data-runs]"), what="the version on its way")
    start.wait_until(lambda: browser.run(ZONE) != before, what="the new zone is in force")
    assert in_force(centre, "cang-1").zones[0].name == Text(vi="Lối xe", en="Walkway")
    centre.nodes.runs["pm-1"] = 2
    centre.nodes.declare("pm-1")
    browser.wait_text("[data-runs]", "nút đang chạy phiên bản 2")
    browser.wait_text("[data-outcome=published]", "Hồ Quốc Khánh · “đã xem tại chỗ”")
    browser.wait_text("[data-outcome=published] .changes", "sửa vùng “Lối xe”")
    decide(browser, "undo", "lề đã dời lại")
    start.wait_until(
        lambda: in_force(centre, "cang-1").zones[0].name.vi == "Lối đi", what="the old zone"
    )
    start.wait_until(lambda: browser.run(ZONE) == before, what="the old zone is shown")
    browser.wait_text(".undone", "Hoàn tác ở phiên bản 3, Hồ Quốc Khánh: “lề đã dời lại”")
    browser.wait_text("[data-outcome=published] .changes", "sửa vùng “Lối xe”")
    done = audit.newest(centre.state, CENTRE, limit=20)
    told = [(line.action, line.actor, line.detail.get("why")) for line in done]
    assert ("catalogue.publish", "khanh", "đã xem tại chỗ") in told
    assert ("catalogue.publish", "khanh", "lề đã dời lại") in told
    assert ("catalogue.draft", "dung", None) in told
    assert browser.errors() == []


LINES = """
return [...document.querySelectorAll(".facts dt")].filter((label) => {
  const text = document.createRange();
  text.selectNodeContents(label);
  return new Set([...text.getClientRects()].map((box) => box.top)).size > 1;
}).map((label) => label.innerText);
"""


def since(centre: Centre, number: int, seconds: int) -> None:
    """A version has been in force for so long; less than nothing is that it has just begun."""
    at_ns = time.time_ns() - seconds * SECOND_NS
    with centre.state.write() as connection:
        made = catalogue_version.update().where(catalogue_version.c.number == number)
        connection.execute(made.values(at_ns=at_ns))


def look(browser: Browser, centre: Centre, page: str) -> None:
    browser.open(centre.origin + page)
    browser.wait(LIVE)


def test_a_camera_says_which_version_its_node_runs_and_why_it_is_no_newer_one(
    browser: Browser, centre: Centre
) -> None:
    nodes, page = centre.nodes, "/cameras/nga-tu-2"
    number = publish(centre, "nga-tu-2")
    since(centre, number, -3600)
    browser.log_in(centre.origin, "khanh", PASSWORD, to=page)
    browser.wait_text("[data-runs] [data-tone=faint]", f"đang gửi phiên bản {number} tới nút…")
    since(centre, number, 60)
    look(browser, centre, page)
    old = f"nút còn chạy phiên bản 1, chưa nhận {number}"
    browser.wait_text("[data-runs] [data-tone=notice]", old)

    nodes.reasons["br-2"] = because("catalogue.unsigned", why="chữ ký lạ")
    nodes.declare("br-2")
    unsigned = "có phần danh mục gửi tới mà trung tâm không ký: chữ ký lạ"
    browser.wait_text("[data-runs]", unsigned)
    for size in (WIDE, (1600, 900), PHONE):
        browser.resize(size)
        assert browser.run(LINES) == [], "a label is one line"
    look(browser, centre, "/nodes")
    browser.wait_text("tr[data-node=br-2] [data-runs].tone-notice", f"1, mới nhất {number}")
    browser.wait("tr[data-node=br-2][data-state=online] .state .mark.tone-notice")
    amber = browser.find("tr[data-node=br-2] .mark").value_of_css_property("color")
    assert browser.find("tr[data-node=br-2] [data-runs]").value_of_css_property("color") == amber
    browser.wait_text("tr[data-node=br-2]", unsigned)

    nodes.silent.add("br-2")  # what is over ends with the birth, not with a heartbeat
    nodes.reasons.clear()
    nodes.runs["br-2"] = number
    nodes.declare("br-2")
    start.wait_until(
        lambda: unsigned not in browser.text("tr[data-node=br-2]"), what="the reason is over"
    )
    browser.wait_text("tr[data-node=br-2]", f"danh mục {number}")
    look(browser, centre, page)
    browser.wait_text("[data-runs] [data-tone=good]", f"nút đang chạy phiên bản {number}")


def test_of_a_node_that_is_away_the_wall_says_what_it_was_when_last_heard(
    browser: Browser, centre: Centre
) -> None:
    nodes, page = centre.nodes, "/cameras/cho-ba-ria-2"
    nodes.runs["br-1"] = versions.newest_number(centre.state, CENTRE)
    nodes.declare("br-1")
    nodes.connect("br-1", online=False)
    browser.log_in(centre.origin, "khanh", PASSWORD, to=page)
    browser.wait_text("[data-runs] [data-tone=faint]", "khi nghe lần cuối")
    number = publish(centre, "cho-ba-ria-2")
    later = f"nút ngoại tuyến, sẽ nhận phiên bản {number} khi nối lại"
    browser.wait_text("[data-runs]", later)
    nodes.connect("br-1")
    start.wait_until(lambda: later not in browser.text("[data-runs]"), what="it is back")


def test_a_node_that_comes_up_and_a_camera_that_it_does_not_run_are_not_called_silent(
    browser: Browser, centre: Centre
) -> None:
    browser.log_in(centre.origin, "khanh", PASSWORD, to="/nodes")
    browser.wait("tr[data-node=vt-1][data-state=never]")
    centre.nodes.runs["vt-1"], centre.nodes.reasons["vt-1"] = 0, because("catalogue.awaited")
    centre.nodes.declare("vt-1")
    centre.nodes.connect("vt-1")
    browser.wait_text("tr[data-node=vt-1][data-state=starting]", "Đang khởi động")
    look(browser, centre, "/cameras/cho-vung-tau-2")
    browser.wait_text("[data-runs='0']", "nút chưa nhận phiên bản")
    browser.wait_text("[data-runs='0']", "trung tâm chưa gửi cho nút phần danh mục của nó")
    look(browser, centre, "/nodes")
    del centre.nodes.runs["vt-1"], centre.nodes.reasons["vt-1"]
    centre.nodes.declare("vt-1")
    centre.nodes.absent.add("cho-vung-tau-2")
    centre.nodes.silent.discard("vt-1")
    browser.wait("tr[data-node=vt-1][data-state=online]")
    look(browser, centre, "/cameras")
    browser.wait("[data-camera=cho-vung-tau-1][data-state=live]")
    absent = "[data-camera=cho-vung-tau-2][data-state=absent]"
    browser.wait_text(absent, "Nút chưa chạy camera này")
    centre.nodes.absent.clear()
    browser.wait("[data-camera=cho-vung-tau-2][data-state=live]")


def test_a_line_is_drawn_watched_and_cannot_go_while_a_rule_uses_it(
    browser: Browser, centre: Centre
) -> None:
    edit(browser, centre, "khanh", "nga-tu-1")
    browser.click("[data-act=add-line]")
    end = browser.all(CORNERS)[1]
    browser.hold(end, -560, 0)
    browser.wait_text(".refused", "Vạch quá ngắn")
    browser.let_go()
    browser.hold(end, 60, 90)
    browser.let_go()
    type_in(browser, "vi", "Cổng vào")
    browser.find("select[name=watch]").send_keys("Người")
    proposed(browser, "đếm người")
    browser.wait_text(".toasts", "Đã đề xuất; bạn có thể công bố ngay bên dưới")
    decide(browser, "publish", "đếm người")
    browser.wait("[data-outcome=published]")
    (_, line) = in_force(centre, "nga-tu-1").lines
    assert (line.id, line.name.vi) == ("cong-vao", "Cổng vào")
    assert line.points[0] == (0.3, 0.6)
    assert line.points[1][0] > 0.7

    browser.wait_text("[data-rules]", "Qua Cổng vào")
    browser.click("[data-act=draw]")
    browser.click("[data-shape=cong-vao]")
    browser.click("[data-act=remove]")
    browser.wait_text(".refused", "Quy tắc “Qua Cổng vào” đang dùng vạch này; hãy bỏ quy tắc trước")
    browser.click("[data-drop=cong-vao-canh]")
    browser.click("[data-act=remove]")
    start.wait_until(lambda: not browser.all("[data-shape=cong-vao]"), what="it is gone")
    proposed(browser, "không cần nữa")
    browser.wait_text(".changes", "bỏ vạch “Cổng vào”; bỏ quy tắc “Qua Cổng vào”")
    decide(browser, "drop", "vẫn cần")
    browser.wait("[data-outcome=dropped]")
    assert len(in_force(centre, "nga-tu-1").lines) == 2
    assert browser.errors() == []


def test_corners_are_moved_added_and_removed_by_keys(browser: Browser, centre: Centre) -> None:
    edit(browser, centre, "khanh", "bai-sau-1")
    browser.run("document.querySelector(arguments[0]).focus()", CORNERS)
    browser.press(Keys.ARROW_RIGHT + Keys.ARROW_DOWN)
    assert at(browser, 0) == "left: 5.5%; top: 55.5%;"
    browser.press(Keys.SHIFT + Keys.ARROW_LEFT * 3)
    browser.wait_text(".refused", "Vùng không được ra ngoài khung hình")
    assert at(browser, 0) == "left: 0.5%; top: 55.5%;"
    browser.press("+")
    start.wait_until(lambda: len(browser.all(CORNERS)) == 5, what="a corner more")
    browser.press(Keys.ARROW_UP)
    browser.press(Keys.DELETE * 3)
    browser.wait_text(".refused", "Vùng cần ít nhất ba đỉnh")
    assert len(browser.all(CORNERS)) == 3
    browser.driver.refresh()
    browser.wait_text(".refused", "Tiếp tục phần đang vẽ dở")
    assert len(browser.all(CORNERS)) == 3, "a page that is opened anew goes on"
    number = publish(centre, "cho-vung-tau-1")
    start.wait_until(
        lambda: browser.driver.execute_async_script(NUMBER) == number, what="another catalogue"
    )
    assert len(browser.all(CORNERS)) == 3, "what somebody draws is not taken from their hands"
    type_in(browser, "why", "lối hẹp hơn")
    browser.click("[data-act=propose]")
    browser.wait_text(".toasts", "Không được: Danh mục đã thay đổi trong lúc bạn vẽ")


def test_corners_are_moved_by_a_finger_on_a_phone(browser: Browser, centre: Centre) -> None:
    browser.resize(PHONE)
    edit(browser, centre, "khanh", "bai-sau-2")
    finger(browser, CORNERS, (18, 10))
    assert at(browser, 0) != "left: 5%; top: 55%;"
    moved = at(browser, 0)
    finger(browser, CORNERS, (0, -200))
    browser.wait_text(".refused", "Vùng không được ra ngoài khung hình")
    assert at(browser, 0) == moved
    finger(browser, ".grip.middle", (0, 8))
    assert len(browser.all(CORNERS)) == 5
    browser.click("[data-act=cut]")
    start.wait_until(lambda: len(browser.all(CORNERS)) == 4, what="the corner is gone")
    assert browser.run("return document.documentElement.scrollWidth") == PHONE[0]
    assert browser.errors() == []


def finger(browser: Browser, css: str, way: tuple[int, int]) -> None:
    """Put a finger on something, drag it so many pixels, and lift it."""
    x, y = browser.run(
        "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2];",
        css,
    )

    def touch(kind: str, *points: tuple[float, float]) -> None:
        told = [{"x": px, "y": py} for px, py in points]
        touched = {"type": kind, "touchPoints": told}
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", touched)

    touch("touchStart", (x, y))
    for step in range(1, 5):
        touch("touchMove", (x + way[0] * step / 4, y + way[1] * step / 4))
    touch("touchEnd")


def test_who_may_not_draw_or_gives_no_reason_or_comes_late_is_refused(centre: Centre) -> None:
    number = versions.newest_number(centre.state, CENTRE)
    drawing = {"zones": [], "lines": [], "dropped": ["dem", "dong", "qua"], "why": "trống"}
    path = "/live/cameras/cho-ba-ria-1/drawing"
    with centre.client("an") as operator:
        assert not operator.get("/live/cameras/cho-ba-ria-1/drafts").json()["may_draw"]
        assert operator.post(path, json={**drawing, "base": number}).status_code == 403
    with centre.client("dung") as technician:
        assert technician.post(path, json={**drawing, "base": number - 1}).status_code == 409
        silent = {**drawing, "base": number, "why": " "}
        assert technician.post(path, json=silent).status_code == 422
        used = technician.post(path, json={**drawing, "base": number, "dropped": []})
        assert used.status_code == 422
        assert used.json()["detail"].startswith("Quy tắc Tụ tập đông đang dùng “Lối đi”")
        bow = {"name": {"vi": "Nơ"}, "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}
        crossed = {**drawing, "base": number, "zones": [bow]}
        told = [technician.post(path, json=crossed).json()]
        technician.cookies.set("haidang_language", "en")
        told.append(technician.post(path, json=crossed).json())
        assert [one["detail"].partition(":")[0] for one in told] == [
            "Danh mục có 1 lỗi",
            "The catalogue has 1 mistake(s)",
        ]
        assert told[0]["detail"].endswith("quanh vùng")
        assert told[0]["mistakes"][0]["code"] == told[1]["mistakes"][0]["code"] == "crosses"
        draft = technician.post(path, json={**drawing, "base": number}).json()["id"]
        publish = f"/live/drafts/{draft}/publish"
        assert technician.post(publish, json={"why": "x"}).status_code == 403
    with centre.client("khanh") as admin:
        assert admin.post(publish, json={}).status_code == 422
        assert admin.post(publish, json={"why": "trống"}).json() == {"version": number + 1}
        assert admin.post(publish, json={"why": "lại"}).status_code == 409
    assert in_force(centre, "cho-ba-ria-1").zones == ()


def test_a_version_that_cannot_be_read_any_more_takes_no_history_with_it(centre: Centre) -> None:
    number = publish(centre, "cang-2")
    with centre.state.write() as connection:
        older = catalogue_version.update().where(catalogue_version.c.number == number - 1)
        connection.execute(
            older.values(texts='{"coast.yaml": "places: of another day"}', checked="")
        )
    with centre.client("khanh") as admin:
        (draft,) = admin.get("/live/cameras/cang-2/drafts").json()["drafts"]
    assert (draft["number"], draft["decided_why"], draft["changes"]) == (number, "dọn", [])


def test_the_browser_judges_a_polygon_as_the_catalogue_does(
    browser: Browser, centre: Centre
) -> None:
    chance = random.Random(7)
    grid = [n / 4 for n in range(5)]
    shapes = [
        [(chance.choice(grid), chance.choice(grid)) for _ in range(chance.randint(3, 6))]
        for _ in range(600)
    ]
    browser.log_in(centre.origin, "an", PASSWORD)
    browser.wait(LIVE)
    judged = browser.driver.execute_async_script(FAULTS, shapes)
    flat = [abs(geometry.area(shape)) < 1e-4 for shape in shapes]
    crossing = [geometry.crosses_itself(shape) for shape in shapes]
    assert [bool(fault) for fault in judged] == [
        a or b for a, b in zip(flat, crossing, strict=True)
    ]
    assert 50 < sum(bool(fault) for fault in judged) < 550
