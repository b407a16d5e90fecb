"""*Thử lỗi* on the wall: who may, what it tells in words, and that it says when it is away."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fakes.wall import PASSWORD
from haidang_cloud.demo.account import Account, Refused
from haidang_cloud.demo.desk import Desk
from haidang_cloud.demo.faults import Fault, Faults
from haidang_cloud.people import audit
from servers import start
from system.browser.access import barriers
from system.browser.centre import Centre
from system.browser.chromium import PHONE, Browser, browser, demand

LIVE = ".standing .pulse:not(.waiting)"


class Demo:
    """A desk with two faults that do nothing; its account is what a test says."""

    def __init__(self, file: Path) -> None:
        self.account = Account(spooled=40, stored=40)
        known = {"link": Fault(begin=self._press, for_s=15.0), "message": Fault(begin=self._press)}
        self.faults, self.pressed = Faults(known), list[float]()
        self.desk = Desk(
            reads={
                "/api/account": lambda _: self.account,
                "/api/faults": lambda _: self.faults.list(),
            },
            acts={"/api/faults/": self._asked},
        )
        file.write_text(json.dumps({"url": self.desk.url, "token": self.desk.token}))

    def _asked(self, rest: str) -> dict[str, str]:
        name, _, seconds = rest.partition("/")
        self.faults.press(name, for_s=float(seconds) if seconds else None)
        return {"pressed": name}

    def _press(self, for_s: float) -> None:
        self.pressed.append(for_s)

    def close(self) -> None:
        self.faults.close()
        self.desk.close()


@pytest.fixture
def centre(tmp_path: Path, mosquitto_program: Path) -> Iterator[Centre]:
    """A console that is told where a demo's desk is."""
    demand()
    broker = start.mosquitto(mosquitto_program, tmp_path / "broker")
    broker.start()
    made = Centre(tmp_path, broker.port)
    file = tmp_path / "centre.yaml"
    config = yaml.safe_load(file.read_text())
    config["console"]["desk"] = "desk.json"
    file.write_text(yaml.safe_dump(config))
    made.serve()
    yield made
    made.close()
    broker.stop()


def test_what_is_broken_and_what_became_of_it(centre: Centre) -> None:
    with browser() as window:
        window.log_in(centre.origin, "khanh", PASSWORD, to="/faults")
        window.wait_text("main", "Bàn thử lỗi chưa trả lời")
        demo = Demo(centre.folder / "desk.json")
        try:
            press(window, demo)
            told_in_words(window, demo)
            only_who_may(centre, demo)
        finally:
            demo.close()
        window.wait_text(".account .banner", "đang xem số liệu cũ")
        assert window.find("button[name=message]").get_attribute("disabled")
        fits_a_phone_in_english(window)
    done = [(line.action, line.object, line.actor) for line in audit.newest(centre.state, "coast")]
    assert ("demo.fault", "fault/link", "khanh") in done


def press(window: Browser, demo: Demo) -> None:
    window.wait_text("[data-verdict]", "Không mất bản ghi nào")
    window.wait_text(".says p", "Trung tâm đã lưu đủ 40 bản ghi mà nút đã ghi.")
    assert barriers(window) == []
    window.click("button[name=link]")
    window.wait_text("[data-fault=link] [role=timer]", "giây")
    demo.account = Account(spooled=47, stored=40, waiting=7)
    window.wait_text(".says p", "7 bản ghi đang chờ ở nút và sẽ được gửi lại.")
    assert window.text("[data-verdict]") == "Không mất bản ghi nào"
    demo.faults.close()
    demo.account = Account(spooled=47, stored=47)
    window.wait_text("[data-fault=link] .past", "Đã qua; có lúc 7 bản ghi phải chờ")
    window.find("select[name=lasts]").send_keys("60")
    window.click("button[name=link]")
    window.wait("[data-fault=link][data-on=true]")
    window.click("button[name=message]")
    window.wait_text("[data-fault=message] .past", "đã gửi")
    assert demo.pressed == [15.0, 60.0, 0.0]


def told_in_words(window: Browser, demo: Demo) -> None:
    refused = Refused(reason="malformed", count=1, example="JSON is malformed")
    demo.account = Account(spooled=50, stored=48, lost=2, why=("quota",), refused=(refused,))
    window.wait_text("[data-verdict]", "Mất 2 bản ghi")
    assert window.text(".says p") == "Lý do nút ghi lại: Bộ đệm của nút đã đầy"
    assert window.text("[data-refused=malformed]").split("\n")[0] == "Không đọc được"
    window.wait_text("[data-refused=malformed]", "Nguyên văn: JSON is malformed")
    demo.account = Account(spooled=50, stored=50, doubled=3)
    window.wait_text("[data-verdict]", "3 bản ghi bị lưu hai lần")
    demo.account = Account(spooled=50, stored=50, trouble="disk")
    window.wait_text(".account .banner", "Sổ chưa cập nhật được: ổ đĩa không đọc được")


def only_who_may(centre: Centre, demo: Demo) -> None:
    before = list(demo.pressed)
    with centre.client("an") as operator:
        assert operator.get("/live/faults").status_code == 403
        assert operator.post("/live/faults/message", json={}).status_code == 403
        assert "/faults" not in operator.get("/nodes").text
    with centre.client("khanh") as admin:
        assert "/faults" in admin.get("/nodes").text
        evil = {"Origin": "https://evil.example"}
        assert admin.post("/live/faults/message", json={}, headers=evil).status_code == 403
        assert admin.post("/live/faults/moon", json={}).status_code == 404
        assert admin.post("/live/faults/link", json={}).status_code == 409
        assert admin.post("/live/faults/link", json={"for_s": 0}).status_code == 422
    assert demo.pressed == before


def fits_a_phone_in_english(window: Browser) -> None:
    window.run("document.cookie = 'haidang_language=en; path=/'")
    window.resize(PHONE)
    window.run("location.reload()")
    window.wait_text("main", "The desk does not answer yet")
    assert window.run("return document.documentElement.scrollWidth") == PHONE[0]


def test_a_centre_that_is_no_demo_has_nothing_to_break(
    tmp_path: Path, broker: start.Server
) -> None:
    centre = Centre(tmp_path, broker.port)
    try:
        centre.serve()
        with centre.client("khanh") as admin:
            assert admin.get("/live/faults").status_code == 404
            assert "/faults" not in admin.get("/nodes").text
    finally:
        centre.close()
