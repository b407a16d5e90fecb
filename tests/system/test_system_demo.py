"""`haidang demo` as a newcomer meets it: to the first alarm, broken, ended, and nothing left."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.disk import small_disk
from fakes.grafana import Grafana
from haidang_cloud.demo import DemoOptions, Servers, run
from haidang_cloud.demo.home import Home
from haidang_cloud.demo.programs import mosquitto
from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError
from servers import start
from servers.demo import HAIDANG, Demo, lives
from system.browser.access import barriers
from system.browser.chromium import Browser, browser, programs

pytestmark = [pytest.mark.broker, pytest.mark.slow]

STREET = "street:market?traffic=1.5&seed=31&hold=my-camera.hold"
FAULT_S = 5
NewDemo = Callable[..., Demo]


@pytest.fixture
def new_demo(tmp_path: Path, mosquitto_program: Path) -> Iterator[NewDemo]:
    """Starts demos; what is left of them ends with the test."""
    made: list[Demo] = []

    def make(*arguments: str, **more: Any) -> Demo:
        made.append(Demo(tmp_path, *arguments, **more))
        return made[-1]

    yield make
    for demo in made:
        demo.close()


def test_a_city_at_work_is_broken_everywhere_and_nothing_is_lost_until_its_spool_is(
    new_demo: NewDemo, tell: Callable[[object], None]
) -> None:
    demo = new_demo()
    demo.await_ready()
    tell(f"{demo.set_up_s:.1f} s of set-up; {demo.await_first_alarm()}")
    link = re.search(r"http://127.0.0.1:\d+/enter#link=\S+", demo.said)
    assert link is not None
    with urllib.request.urlopen(link.group(0).partition("#")[0], timeout=10) as page:
        assert page.status == 200
    press_every_button(demo)
    account = demo.await_account(waiting=0, lost=0, doubled=0)
    tell(account)
    assert account["stored"] == account["spooled"] > 30
    assert [(one["reason"], one["count"]) for one in account["refused"]] == [("malformed", 1)]
    assert account["why"] == []
    ends_whole(demo, signal.SIGTERM)

    again = new_demo()
    again.await_ready()
    assert "Enrolling node" not in again.said
    again.await_first_alarm()
    assert again.await_account(lost=0, doubled=0)["spooled"] >= account["spooled"]
    break_the_spool(again)
    ends_whole(again, signal.SIGKILL)


def ends_whole(demo: Demo, number: int) -> None:
    """No process is left, however it ends."""
    start.wait_until(lambda: len(demo.pids()) > 8, what="every process")
    pids = demo.pids()
    code = demo.end(number)
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    start.wait_until(lambda: not [p for p in pids if lives(p)], what="the end of all processes")


def press_every_button(demo: Demo) -> None:
    """By hand on the page, where there is a browser."""
    if programs() is None:
        break_everything(demo, lambda fault: demo.press(fault, for_s=FAULT_S))
        return
    with browser() as window:
        break_everything(demo, buttons(demo, window))
        (refused,) = demo.account()["refused"]
        window.wait_text("[data-refused=malformed]", refused["example"])
        window.wait_text("[data-figure=refused] dd", "1")
        window.wait_text("[data-verdict]", "No record is lost")
        window.wait_text(".account .says p", "The centre has stored all")
        for figure in ("waiting", "lost", "doubled"):
            assert window.text(f"[data-figure={figure}] dd") == "0"
        assert barriers(window) == []
        assert window.errors() == []


def buttons(demo: Demo, window: Browser) -> Callable[[str], None]:
    """Presses a fault as a person does: let in by the link, on the page, both as printed."""
    link = re.search(r"http://127.0.0.1:\d+/enter#link=\S+", demo.said)
    page = re.search(r"http://127.0.0.1:\d+/faults", demo.said)
    assert link is not None
    assert page is not None
    window.open(link.group(0))
    window.wait(".frame header")
    window.open(page.group(0))
    window.find("select[name=lasts]").send_keys(f"{FAULT_S} s")

    def press(fault: str) -> None:
        window.click(f"button[name={fault}]:not([disabled])")
        if fault != "message":
            window.wait_text(f"[data-fault={fault}][data-on=true] [role=timer]", "s left")

    return press


def break_everything(demo: Demo, press: Callable[[str], None]) -> None:
    """Each fault once; those together that have nothing to do with each other."""
    press("link")
    start.wait_until(lambda: demo.account()["waiting"] > 0, what="records that wait")
    status, told = demo.ask("POST", "/api/faults/link")
    assert (status, told["why"]) == (409, "this fault is still on")
    press("clock")
    demo.await_over()
    press("broker")
    press("camera")
    demo.await_over()
    press("ingest")
    press("database")
    demo.await_over()
    demo.await_account(waiting=0)
    press("message")
    start.wait_until(lambda: demo.account()["refused"], what="the refusal of the bad message")
    assert demo.ask("GET", "/api/account", token="guessed")[0] == 401
    assert demo.ask("POST", "/api/faults/moon")[0] == 404
    demo.await_account(waiting=0, lost=0, doubled=0)


def break_the_spool(demo: Demo) -> None:
    """The account can fail: records are taken from the disk that nobody has stored."""
    demo.press("link", for_s=60)
    start.wait_until(lambda: demo.account()["waiting"] > 3, what="records that wait")
    os.kill(demo.pid_of("node", "rehearse"), signal.SIGKILL)
    for path in (demo.folder / "node" / "spool").glob("*.seg"):
        if not path.name.startswith("gap"):
            path.unlink()
    start.wait_until(lambda: demo.account()["lost"] > 0, what="the loss", timeout_s=60)
    account = demo.account()
    assert account["lost"] >= 3
    assert account["stored"] + account["waiting"] + account["lost"] == account["spooled"]


def test_ctrl_c_during_the_set_up_leaves_nothing(new_demo: NewDemo) -> None:
    demo = new_demo()
    demo.await_said("Folder: ", timeout_s=30)
    time.sleep(1.5)
    pids = demo.pids()
    assert demo.end() == 0
    start.wait_until(lambda: not [p for p in pids if lives(p)], what="the end of all processes")
    assert "Ended; no process is left." in demo.said


def refused(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [HAIDANG, "demo", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def asked(**options: Any) -> str:
    """What `haidang demo` says to a wish that it refuses before it makes anything."""
    with pytest.raises(UserError) as refused:
        run(DemoOptions(port=0, language="en", **options))
    return str(refused.value)


def test_what_cannot_be_asked_for_is_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("not ours")
    keep = refused("--port", "0", "--lang", "en", "--keep", str(tmp_path))
    assert "there is something else in it" in keep
    assert (tmp_path / "thesis.txt").read_text() == "not ours"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cổng {port} trên 127.0.0.1 đang được dùng" in refused("--port", port)
    assert "cho phép từ 0 (cổng nào cũng được) đến 65535" in refused("--port", "70000")
    assert "--camera needs --model: a .tflite file, or" in asked(camera="street:market")
    assert "--model needs --camera" in asked(model="x")
    assert "--manifest needs --model" in asked(manifest=Path("x"))
    assert "--camera a.mp4: there is no such file" in asked(camera="a.mp4", model="x")
    gone = asked(camera="street:market", model="a.tflite")
    assert gone == "--model a.tflite: there is no such file"
    somewhere = "http://127.0.0.1:1"
    assert "needs --influxdb-token-file" in asked(servers=Servers(influxdb=somewhere))
    no_token = Servers(influxdb=somewhere, influxdb_token=tmp_path / "token")
    assert "--influxdb-token-file" in asked(servers=no_token)
    told = asked(servers=Servers(postgres="mysql://an:secret@db/x"))
    assert told.startswith(
        "--postgres mysql://an:***@db/x: is no address; it begins with postgresql:"
    )
    assert "--grafana needs --influxdb" in asked(servers=Servers(grafana=somewhere))
    with pytest.raises(UserError, match=r"`sudo apt install mosquitto`.* or `sudo dnf install"):
        mosquitto(Words("en"), folders=(str(tmp_path),))


def test_a_disk_that_is_full_is_a_plain_sentence(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", size="4m") as folder:
            said = refused("--port", "0", "--lang", "en", "--keep", str(folder / "demo"))
    except PermissionError as error:
        pytest.skip(str(error))
    assert re.search(r"[34] MB are left on its disk, 150 MB are needed; free some, or name", said)


def test_a_camera_or_a_model_that_no_node_can_read_is_a_plain_sentence(tmp_path: Path) -> None:
    model = ("--lang", "en", "--port", "0", "--model", "haidang-street")
    said = refused("--camera", "ftp://camera/1", *model)
    assert "ftp:// is not known; allowed: rtsp://" in said
    said = refused("--camera", "rtsp://an:secret@127.0.0.1:1/x", *model)
    assert "rtsp://127.0.0.1:1/x: nobody listens at that address; look at its address" in said
    said = refused("--port", "0", "--camera", "rtsp://127.0.0.1:1/x", *model[-2:])
    assert "--camera rtsp://127.0.0.1:1/x: không có gì trả lời ở địa chỉ đó; hãy xem" in said
    junk = tmp_path / "junk.tflite"
    junk.write_text("no film and no model\n")
    assert "junk.tflite: is no video that can be read; give a" in refused(
        "--camera", str(junk), *model
    )
    drawn = ("--camera", "street:market", *model[:-1])
    assert "--model: model 'x' is not known; known are: haidang-street" in refused(*drawn, "x")
    assert "no model that Haidang knows" in refused(*drawn, str(junk))


def test_a_server_that_does_not_answer_is_a_plain_sentence(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    somewhere = "127.0.0.1:1"
    any_port = ("--port", "0")
    said = refused(*any_port, "--postgres", f"postgresql://an:secret@{somewhere}/x")
    assert re.search(
        r"--postgres postgresql://an:\*+@127.0.0.1:1/x không dùng được: .*hãy xem", said
    )
    influx = ("--influxdb", f"http://{somewhere}", "--influxdb-token-file", str(token))
    said = refused(*any_port, "--lang", "en", *influx)
    assert re.search(rf"--influxdb http://{somewhere} cannot be used: .*refused; does the", said)


def test_a_kept_folder_goes_on_only_as_it_was_set_up(tmp_path: Path) -> None:
    Home(tmp_path).mark({"--camera": "rtsp://an@10.0.0.9/s 1", "--model": "haidang-street"})
    (tmp_path / "demo.lock").touch()
    said = refused("--port", "0", "--lang", "en", "--keep", str(tmp_path))
    assert "with --camera 'rtsp://an@10.0.0.9/s 1' --model haidang-street; start it the" in said


def test_what_a_killed_demo_left_goes_with_the_next_one(tmp_path: Path) -> None:
    place = {"TMPDIR": str(tmp_path)}
    kept = tmp_path / "haidang-demo-mine"
    kept.mkdir()
    with subprocess.Popen(
        [HAIDANG, "demo", "--port", "0"], env=os.environ | place, stdout=subprocess.PIPE
    ) as demo:
        assert demo.stdout is not None
        while b"haidang-demo-" not in demo.stdout.readline():
            pass
        demo.kill()
    assert len(list(tmp_path.iterdir())) == 2
    postgres = ("--postgres", "postgresql://127.0.0.1:1/x")
    refused("--port", "0", *postgres, **place)
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.influx
@pytest.mark.postgres
@pytest.mark.data
def test_an_ordinary_user_s_camera_on_real_servers(
    new_demo: NewDemo, real: dict[str, Any], data_dir: Path
) -> None:
    """PostgreSQL and InfluxDB themselves, and Grafana's boundary."""
    model = data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite"
    grafana = Grafana()
    log_in = {"GRAFANA_USER": "admin", "GRAFANA_PASSWORD": "admin-secret"}
    influx = real["timeseries"]
    try:
        demo = new_demo(
            *("--camera", STREET, "--model", str(model)),
            *("--postgres", real["state"], "--grafana", grafana.url),
            *("--influxdb", influx["url"], "--influxdb-org", influx["org"]),
            *("--influxdb-token-file", influx["token_file"]),
            environment=log_in,
            ordinary=True,
        )
        demo.await_ready()
        assert len(demo.owners()) == 1
        assert 0 not in demo.owners()
        assert "Drawing boards in Grafana" in demo.said
        assert any(verb == "POST" and "dashboards" in path for verb, path in grafana.writes())
        demo.await_first_alarm()
        demo.press("database", for_s=4)
        demo.await_over()
        account = demo.await_account(waiting=0, lost=0, doubled=0)
        assert account["stored"] == account["spooled"] > 0
        assert not (demo.folder / "state.sqlite").exists()
        ends_whole(demo, signal.SIGINT)
    finally:
        grafana.close()
