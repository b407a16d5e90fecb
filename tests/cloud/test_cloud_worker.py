"""The worker as a process: an outbox row reaches staff, their answer counts, whoever is killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import yaml
from argon2 import PasswordHasher

from fakes.province import SECOND_NS, SPOOL, TEXT, alarm_of, payload_of, province
from fakes.staff import Staff
from haidang_cloud.blobs import Blobs
from haidang_cloud.broker import BrokerSettings, reach
from haidang_cloud.cases import CaseShelf
from haidang_cloud.errors import CloudConfigError
from haidang_cloud.lake import Archive, Lake
from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.people import Accounts, audit
from haidang_cloud.people.audit import Anchor
from haidang_cloud.state import State, dirty, open_state, outbox
from haidang_cloud.state.dirty import Window
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries import SqliteSeries
from haidang_cloud.timeseries.base import private_bucket, scope_bucket
from haidang_cloud.timeseries.lines import lines_of
from haidang_cloud.timeseries.projection import RECORDS, ensure_buckets
from haidang_protocols.wire import topics
from haidang_protocols.wire.messages import AnswerKind, CaseState
from haidang_protocols.wire.records import encode_batch
from haidang_protocols.wire.topics import NodeLeaf
from servers import start
from servers.secure import secure_broker
from servers.start import wait_until

pytestmark = pytest.mark.broker
HAIDANG = Path(sys.executable).parent / "haidang"


class Centre:
    """A centre's configuration on disk, its people, and its worker processes."""

    def __init__(
        self,
        folder: Path,
        state_url: str,
        broker_port: int,
        *,
        certificates: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.port = folder, broker_port
        way: dict[str, object] = {"plain": True} if certificates is None else {**certificates}
        self.config = folder / "centre.yaml"
        (folder / "tinh.yaml").write_text(TEXT)
        self.config.write_text(
            yaml.safe_dump(
                {
                    "centre": "tinh",
                    "state": state_url,
                    "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
                    "lake": "lake",
                    "blobs": "blobs",
                    "catalogue": "tinh.yaml",
                    "audit_head": "audit.head",
                    "broker": {"port": broker_port, **way},
                }
            )
        )
        self.state = open_state(state_url)
        accounts = Accounts(
            self.state, "tinh", hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        with self.state.write() as connection:
            accounts.synchronise(connection, province(), 1)
        self.tokens = {
            one.login: accounts.make_token(one, label="", days=9, now_ns=time.time_ns())[1]
            for one in accounts.everybody()
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self.staff: list[Staff] = []

    def worker(self, name: str = "w1") -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}.log"
        before = log.read_text().count("is up") if log.is_file() else 0
        with log.open("ab") as out:
            process = subprocess.Popen(
                [str(HAIDANG), "cloud", "worker", "--config", str(self.config), "--worker", name],
                stdout=out,
                stderr=out,
            )
        self.workers.append(process)
        wait_until(lambda: log.read_text().count("is up") > before, what=f"worker {name}")
        return process

    def listen(
        self, who: str = "an", scope: str = "phuong-1", *, settings: BrokerSettings | None = None
    ) -> Staff:
        found = Staff(
            self.port, centre="tinh", scope=scope, token=self.tokens[who], settings=settings
        )
        self.staff.append(found)
        return found

    def alarm(self, seq: int) -> str:
        """An alarm arrives: what ingest does with it."""
        event = alarm_of(f"e{seq}", time.time_ns())
        record = f"cong-1.{SPOOL}.{seq}"
        row = Alarm(
            centre="tinh",
            record_id=record,
            site="cong",
            node="cong-1",
            received_ns=event.t,
            payload=payload_of(event),
        )
        outbox.add(self.state, [row])
        return f"alert-cong-1-{SPOOL}-{seq}"

    def close(self) -> None:
        for process in self.workers:
            process.kill()
            process.wait()
        for one in self.staff:
            one.close()
        self.state.close()


@pytest.fixture
def centre(tmp_path: Path, state_url: str, broker: start.Server) -> Iterator[Centre]:
    made = Centre(tmp_path, state_url, broker.port)
    yield made
    made.close()


@pytest.fixture
def small_centre(tmp_path: Path, broker: start.Server) -> Iterator[Centre]:
    made = Centre(tmp_path, f"sqlite:///{tmp_path / 'state.sqlite'}", broker.port)
    yield made
    made.close()


def end(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(20)


def test_from_the_outbox_to_a_guard_and_back(centre: Centre) -> None:
    guard, chief = centre.listen(), centre.listen("binh", "+")
    worker = centre.worker()
    case = centre.alarm(1)
    raised = guard.wait_for(case, CaseState.RAISED)
    assert (raised.camera, raised.place, raised.severity) == ("cong-dong", "cong", "critical")
    assert not raised.provisional
    guard.answer(case, AnswerKind.ACKNOWLEDGED, at=1)
    assert guard.wait_for(case, CaseState.ACKNOWLEDGED).by == "an"
    assert chief.wait_for(case, CaseState.ACKNOWLEDGED).by == "an"
    # who comes second hears how it stands, and by whom
    guard.answer(case, AnswerKind.ACKNOWLEDGED, at=2, token=centre.tokens["binh"])
    assert guard.wait_for(case, CaseState.ACKNOWLEDGED, times=2).by == "an"
    guard.answer(case, AnswerKind.ON_SCENE, at=3)
    guard.answer(case, AnswerKind.DONE, at=4)
    guard.wait_for(case, CaseState.CLOSED)
    assert end(worker) == 0
    audit.verify(centre.state, "tinh")


def test_neither_an_alarm_nor_an_answer_is_lost_with_a_worker(centre: Centre) -> None:
    guard = centre.listen()
    worker = centre.worker()
    first = centre.alarm(1)
    guard.wait_for(first, CaseState.RAISED)
    worker.kill()
    worker.wait()
    guard.answer(first, AnswerKind.ACKNOWLEDGED, at=1)
    second = centre.alarm(2)
    third = f"alert-cong-1-{SPOOL}-3"
    guard.answer(third, AnswerKind.ON_SCENE, at=1)  # to what the node itself told
    centre.worker()
    assert guard.wait_for(first, CaseState.ACKNOWLEDGED).by == "an"
    guard.wait_for(second, CaseState.RAISED)
    assert centre.alarm(3) == third
    assert guard.wait_for(third, CaseState.ON_SCENE).by == "an"


def test_two_workers_tell_once_and_take_an_answer_once(centre: Centre) -> None:
    guard = centre.listen()
    workers = [centre.worker("w1"), centre.worker("w2")]
    cases = [centre.alarm(seq) for seq in range(1, 7)]
    for case in cases:
        guard.wait_for(case, CaseState.RAISED)
        guard.answer(case, AnswerKind.ACKNOWLEDGED, at=1)
    for case in cases:
        guard.wait_for(case, CaseState.ACKNOWLEDGED)
    workers[0].kill()
    workers[0].wait()
    guard.answer(cases[0], AnswerKind.FALSE, at=2)
    guard.wait_for(cases[0], CaseState.FALSE_ALARM)
    assert end(workers[1]) == 0
    shelf = CaseShelf(centre.state, "tinh")
    for case in cases[1:]:
        assert guard.of(case) == [CaseState.RAISED, CaseState.ACKNOWLEDGED]
        assert [step.action for step in shelf.steps(case)] == ["raised", "acknowledged"]


def test_a_broker_that_restarts_is_found_again_and_hears_what_it_missed(
    small_centre: Centre, broker: start.Server
) -> None:
    small_centre.worker()
    broker.kill()
    case = small_centre.alarm(1)
    wait_until(
        lambda: CaseShelf(small_centre.state, "tinh").read(case) is not None, what="the case"
    )
    broker.start()
    guard = small_centre.listen()
    guard.wait_for(case, CaseState.RAISED)
    guard.answer(case, AnswerKind.ACKNOWLEDGED, at=1)
    guard.wait_for(case, CaseState.ACKNOWLEDGED)


def test_each_answer_is_acknowledged_so_that_the_next_one_comes(
    tmp_path: Path, new_broker: Callable[..., start.Server]
) -> None:
    port = start.free_port()
    lines = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1\n"
    new_broker(lines, port)
    centre = Centre(tmp_path, f"sqlite:///{tmp_path / 'state.sqlite'}", port)
    guard = centre.listen()
    centre.worker()
    case = centre.alarm(1)
    guard.wait_for(case, CaseState.RAISED)
    for at, kind in enumerate((AnswerKind.ACKNOWLEDGED, AnswerKind.ON_SCENE, AnswerKind.DONE)):
        guard.answer(case, kind, at=at + 1)
    guard.wait_for(case, CaseState.CLOSED)
    centre.close()


def test_over_tls_answers_wait_for_the_worker_that_the_certificate_names(
    tmp_path: Path, mosquitto_program: Path
) -> None:
    broker = secure_broker(mosquitto_program, tmp_path / "broker", province())
    broker.start()
    files = {"ca": str(broker.ca), "cert": "{process}.crt", "key": "{process}.key"}
    centre = Centre(
        tmp_path, f"sqlite:///{tmp_path / 'state.sqlite'}", broker.port, certificates=files
    )
    for end_of_name in ("crt", "key"):
        source = broker.folder / "clients" / f"tinh.worker.1.{end_of_name}"
        (tmp_path / f"worker.1.{end_of_name}").symlink_to(source)
    name = "tinh.staff.phuong-1.guard"
    settings = BrokerSettings(
        host="127.0.0.1",
        port=broker.port,
        ca=broker.ca,
        cert=broker.cert(name),
        key=broker.key(name),
    )
    guard = centre.listen(settings=settings)
    worker = centre.worker("1")
    case = centre.alarm(1)
    guard.wait_for(case, CaseState.RAISED)
    worker.kill()
    worker.wait()
    guard.answer(case, AnswerKind.ACKNOWLEDGED, at=1)
    centre.worker("1")
    assert guard.wait_for(case, CaseState.ACKNOWLEDGED).by == "an"
    centre.close()
    broker.stop()


def test_what_is_in_the_way_to_a_broker_is_told(tmp_path: Path, mosquitto_program: Path) -> None:
    broker = secure_broker(mosquitto_program, tmp_path / "broker", province())
    broker.start()
    own = BrokerSettings(
        host="127.0.0.1",
        port=broker.port,
        ca=broker.ca,
        cert=broker.cert("tinh.worker.1"),
        key=broker.key("tinh.worker.1"),
    )
    reach(own)
    other = secure_broker(mosquitto_program, tmp_path / "other", province())
    foreign = replace(own, cert=other.cert("tinh.worker.1"), key=other.key("tinh.worker.1"))
    with pytest.raises(CloudConfigError, match=f"broker 127.0.0.1:{broker.port}: .*unknown ca"):
        reach(foreign)
    with pytest.raises(CloudConfigError, match="certificate verify failed"):
        reach(replace(own, ca=other.ca))
    with pytest.raises(CloudConfigError, match="certificate files"):
        reach(replace(own, key=tmp_path / "none"))
    broker.stop()
    with pytest.raises(CloudConfigError, match="refused"):
        reach(own)


@pytest.mark.postgres
def test_an_answer_given_while_the_database_is_away_counts_when_it_is_back(
    tmp_path: Path, broker: start.Server, postgres: start.Postgres
) -> None:
    plain = postgres.url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute("CREATE DATABASE away")
        centre = Centre(tmp_path, postgres.url.rpartition("/")[0] + "/away", broker.port)
        guard = centre.listen()
        centre.worker()
        case = centre.alarm(1)
        guard.wait_for(case, CaseState.RAISED)
        server.execute("ALTER DATABASE away ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'"
        )
        guard.answer(case, AnswerKind.ACKNOWLEDGED, at=1)
        log = tmp_path / "w1.log"
        wait_until(lambda: "job answers failed" in log.read_text(), what="trouble in the log")
        server.execute("ALTER DATABASE away ALLOW_CONNECTIONS true")
        assert guard.wait_for(case, CaseState.ACKNOWLEDGED).by == "an"
        assert "Traceback" not in log.read_text()
        centre.close()


def test_the_worker_keeps_lake_scopes_pictures_and_anchor(small_centre: Centre) -> None:
    folder, state = small_centre.folder, small_centre.state
    series = SqliteSeries(folder / "series.sqlite")
    ensure_buckets(series, province())
    event = alarm_of("e1", time.time_ns())
    lake = Lake(folder / "lake", state, centre="tinh", time_zone="Asia/Ho_Chi_Minh")
    store_as_ingest_does(lake, series, state, event.t)
    blobs = Blobs(folder / "blobs", state, centre="tinh")
    blobs.put("cong-1.x.1", b"\xff\xd8", camera="cong-dong", now_ns=0, keep_ns=1)
    with state.write() as connection:
        audit.write(state, connection, "tinh", actor="a", action="x", about="y", now_ns=1)
    worker = small_centre.worker()
    anchor = Anchor(folder / "audit.head")
    conditions: dict[str, Callable[[], object]] = {
        "scope": lambda: series.count(scope_bucket("tinh", "phuong-1"), "event", "rule") == 1,
        "lake": lambda: list(lake.rows()),
        "picture": lambda: (found := blobs.find("cong-1.x.1")) and found.deleted_ns,
        "anchor": anchor.read,
    }
    for what, condition in conditions.items():
        wait_until(condition, what=what, timeout_s=20)
    assert series.count(scope_bucket("tinh", "ba-ria"), "event", "rule") == 0
    assert end(worker) == 0
    series.close()
    command = [str(HAIDANG), "cloud", "audit", "verify", "--config", str(small_centre.config)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "whole" in said
    assert "1 anchors agree" in said


def store_as_ingest_does(lake: Lake, series: SqliteSeries, state: State, t: int) -> None:
    event = alarm_of("e1", t)
    topic = topics.node_topic("tinh", "cong", "cong-1", NodeLeaf.RECORDS)
    payload = encode_batch(
        spool=SPOOL,
        centre="tinh",
        site="cong",
        node="cong-1",
        records=[(1, payload_of(event))],
        sent=t,
    )
    archive = Archive(lake.archive_folder, worker="w1")
    archive.append([frame(Header(topic, t, 1, ()), payload)])
    archive.close()
    lines = lines_of(event, site="cong", node="cong-1", record_id=f"cong-1.{SPOOL}.1")
    series.write(private_bucket("tinh"), [line.encode() for line in lines])
    with state.write() as connection:
        window = Window(dataset=RECORDS, place="cong", from_ns=t, to_ns=t + SECOND_NS)
        dirty.mark(state, connection, "tinh", [window], t)
