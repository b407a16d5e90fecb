"""A site's own broker: it carries both ways, no more than it may, and alarms with the WAN cut."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haidang_protocols.wire import topics
from haidang_protocols.wire.topics import NodeLeaf, Severity
from servers import start
from servers.fleet import Fleet
from servers.speaker import Speaker

pytestmark = pytest.mark.broker

CATALOGUE = """
centre: {id: demo, name: {vi: Trung tâm}, time_zone: Asia/Ho_Chi_Minh}
places:
  - {id: city, name: {vi: Thành phố}, kind: city}
  - {id: gate, name: {vi: Cổng}, kind: spot, parent: city}
  - {id: hill, name: {vi: Đồi}, kind: spot}
scopes:
  - {id: centre, kind: centre, name: {vi: Trung tâm}}
  - {id: city, kind: locality, name: {vi: Thành phố}, places: [city]}
  - {id: hill, kind: locality, name: {vi: Đồi}, places: [hill]}
sites:
  - {id: gate, name: {vi: Cổng}, place: gate}
  - {id: hill, name: {vi: Đồi}, place: hill}
nodes:
  - {id: gate-1, site: gate}
  - {id: hill-1, site: hill}
"""


def of(leaf: NodeLeaf, node: str = "gate-1", site: str = "gate", tail: str | None = None) -> str:
    return topics.node_topic("demo", site, node, leaf, tail)


@dataclass
class Site:
    """A centre with its broker, and a site with its own."""

    fleet: Fleet
    broker: start.Server
    keys: Path

    def node(self) -> Speaker:
        """The node at its site's broker."""
        at = self.keys / "current"
        return Speaker(
            self.broker.port, ca=at / "ca.crt", cert=at / "node.crt", key=at / "node.key"
        ).up()

    def by(self, cn: str, port: int) -> Speaker:
        home = self.fleet.folder / "state" / "services" / cn
        return Speaker(port, ca=home / "ca.pem", cert=home / "cert.pem", key=home / "key.pem").up()


@pytest.fixture
def site(
    new_fleet: Callable[..., Fleet], tmp_path: Path, mosquitto_program: Path
) -> Iterator[Site]:
    catalogue = tmp_path / "centre.yaml"
    catalogue.write_text(CATALOGUE)
    fleet = new_fleet(catalogue)
    port, out = start.free_port(), tmp_path / "site"
    with fleet.config.open("a") as config:
        config.write(f"sites:\n  - {{site: gate, host: localhost, port: {port}}}\n")
    fleet.broker.start()
    fleet.service.start()
    keys = tmp_path / "keys"
    told = fleet.enrol(fleet.token("gate-1"), keys)
    assert told.code == 0, told.err
    assert f"port: {port}" in told.out, "the node is told of its site's broker"
    by = ("--by", "an")
    there = ("--seen-as", str(out), "--plugin", "", *by)
    for words in (
        ("service", "ingest", "--centre", "demo", "--name", "w1", *by),
        ("service", "worker", "--centre", "demo", "--name", "1", *by),
        ("service", "console", "--centre", "demo", "--name", "main", *by),
        ("service", "staff", "--centre", "demo", "--scope", "city", "--name", "post", *by),
        (
            *("broker", "site", "gate", "--catalogue", str(catalogue), "--out", str(out), *by),
            *there,
        ),
        ("broker", "roles", "--catalogue", str(catalogue)),
    ):
        told = fleet.run(*words)
        assert told.code == 0, told.err
    conf = out / "mosquitto.conf"
    conf.write_text(f"user {fleet.office.config.broker.user or 'nobody'}\n{conf.read_text()}")
    broker = start.Server([str(mosquitto_program), "-c", str(conf)], port, tmp_path / "site.log")
    broker.start()
    made = Site(fleet, broker, keys)
    yield made
    broker.stop()


@pytest.fixture
def close() -> Iterator[Callable[[Speaker], Speaker]]:
    made: list[Speaker] = []

    def keep(speaker: Speaker) -> Speaker:
        made.append(speaker)
        return speaker

    yield keep
    for speaker in made:
        speaker.close()


def until_heard(speaker: Speaker, topic: str, payload: bytes, again: Callable[[], object]) -> None:
    """Wait until a message came; `again` sends it, as long as the bridge may not be up yet."""

    def heard() -> bool:
        again()
        return (topic, payload) in speaker.got

    start.wait_until(heard, what=f"{payload!r} on {topic}")


def test_records_go_up_and_the_centres_word_comes_down(
    site: Site, close: Callable[[Speaker], Speaker]
) -> None:
    node = close(site.node())
    ingest = close(site.by("demo.ingest.w1", site.fleet.broker.port))
    assert node.subscribe([of(NodeLeaf.STORED), of(NodeLeaf.COMMAND, tail="+")]) == [0, 0]
    assert ingest.subscribe(["$share/ingest/" + topics.node_filter("demo", NodeLeaf.RECORDS)]) == [
        0
    ]
    records = of(NodeLeaf.RECORDS)
    until_heard(ingest, records, b"r1", lambda: node.publish([(records, b"r1")]))
    stored = of(NodeLeaf.STORED)
    until_heard(node, stored, b"w1", lambda: ingest.publish([(stored, b"w1")], retain=True))
    console = close(site.by("demo.console.main", site.fleet.broker.port))
    command = of(NodeLeaf.COMMAND, tail="restart")
    until_heard(node, command, b"c1", lambda: console.publish([(command, b"c1")]))
    # what is not this site's does not come down
    ingest.publish([(of(NodeLeaf.STORED, "hill-1", "hill"), b"not yours")], retain=True)
    ingest.publish([(stored, b"w2")], retain=True)
    until_heard(node, stored, b"w2", lambda: None)
    log = (site.fleet.folder / "broker.log").read_text()
    assert "as demo.site.gate" in log


def test_with_the_wan_cut_an_alarm_reaches_the_guard_post(
    site: Site, close: Callable[[Speaker], Speaker]
) -> None:
    node = close(site.node())
    guard = close(site.by("demo.staff.city.post", site.broker.port))
    cases = topics.case_filter("demo", "city")
    alarms = topics.node_filter("demo", NodeLeaf.ALARM, site="gate")
    assert guard.subscribe([cases, alarms]) == [0, 0]

    worker = close(site.by("demo.worker.1", site.fleet.broker.port))
    assert worker.subscribe([topics.answer_filter("demo")]) == [0]
    case = topics.case_topic("demo", "city", Severity.CRITICAL)
    answer = topics.answer_topic("demo", "city", "alert-1")
    until_heard(guard, case, b"raised", lambda: worker.publish([(case, b"raised")]))
    until_heard(worker, answer, b"coming", lambda: guard.publish([(answer, b"coming")]))

    site.fleet.broker.kill()
    node.publish([(of(NodeLeaf.ALARM), b"somebody is here")])
    start.wait_until(
        lambda: (of(NodeLeaf.ALARM), b"somebody is here") in guard.got, what="the alarm"
    )
    node.publish([(of(NodeLeaf.BIRTH), b"born in the dark")], retain=True)

    site.fleet.broker.start()
    console = close(site.by("demo.console.main", site.fleet.broker.port))
    assert console.subscribe([topics.node_filter("demo", NodeLeaf.BIRTH)]) == [0]
    until_heard(console, of(NodeLeaf.BIRTH), b"born in the dark", lambda: None)


def test_a_site_without_a_broker_of_its_own_is_told_so(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet()
    told = fleet.run(
        "broker", "site", "gate", "--catalogue", fleet.catalogue, "--out", "x", "--by", "an"
    )
    assert told.code == 2
    assert "site 'gate' has no broker of its own" in told.err
