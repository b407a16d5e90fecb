"""Two centres on one broker: every identity × topic × verb, asked of the real broker.

What ought to be allowed is worked out here from the wire's access lines by a matcher of our own;
the broker's word counts for nothing unless the messages themselves agree.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haidang_fleet.broker import Control, Rights, Role
from haidang_fleet.broker.control import AdminSettings
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.wire import acl, topics
from haidang_protocols.wire.acl import Acl, Verb
from haidang_protocols.wire.topics import NodeLeaf
from servers.secure import SecureBroker, secure_broker
from servers.speaker import REFUSED, Speaker

pytestmark = pytest.mark.broker

CENTRES = ("east", "west")
OBSERVER, STRANGER = "test.observer", "stranger"
EVERYTHING = ("haidang/#", "other/#")
ACCEPTED = (0x00, 0x10)
"""Success, and success with nobody there to hear it."""

CATALOGUE = """
centre: {{id: {c}, name: {{vi: Trung tâm}}, time_zone: Asia/Ho_Chi_Minh}}
places:
  - {{id: city, name: {{vi: Thành phố}}, kind: city}}
  - {{id: port, name: {{vi: Cảng}}, kind: ward, parent: city}}
  - {{id: hill, name: {{vi: Đồi}}, kind: ward, parent: city}}
scopes:
  - {{id: centre, kind: centre, name: {{vi: Trung tâm}}}}
  - {{id: port, kind: locality, name: {{vi: Cảng}}, places: [port]}}
  - {{id: hill, kind: locality, name: {{vi: Đồi}}, places: [hill]}}
sites:
  - {{id: port, name: {{vi: Cảng}}, place: port}}
  - {{id: hill, name: {{vi: Đồi}}, place: hill}}
nodes:
  - {{id: {c}-port-1, site: port}}
  - {{id: {c}-port-2, site: port}}
  - {{id: {c}-hill-1, site: hill}}
"""


def catalogue(centre: str) -> Catalogue:
    return load_texts({"centre.yaml": CATALOGUE.format(c=centre)})


def expected_lines() -> dict[str, tuple[Acl, ...]]:
    """Certificate → access lines, written out by hand against the wire."""
    lines: dict[str, tuple[Acl, ...]] = {STRANGER: ()}
    for c in CENTRES:
        for site, node in (("port", "port-1"), ("port", "port-2"), ("hill", "hill-1")):
            lines[f"{c}-{node}"] = acl.node_acl(c, site, f"{c}-{node}")
        lines[f"{c}.ingest.w1"] = lines[f"{c}.ingest.w2"] = acl.ingest_acl(c)
        lines[f"{c}.worker.1"] = acl.worker_acl(c)
        lines[f"{c}.console.main"] = acl.console_acl(c)
        lines[f"{c}.staff.centre.guard"] = acl.staff_acl(c, "+", sites=("+",))
        for place in ("port", "hill"):
            lines[f"{c}.staff.{place}.guard"] = acl.staff_acl(c, place, sites=(place,))
            lines[f"{c}.site.{place}"] = acl.bridge_acl(c, place, (place,))
    return lines


def every_topic() -> list[str]:
    """Every kind of topic for every name that there is, and some that nobody may touch."""
    found = ["haidang/v1", "haidang/v1/east", "haidang/v2/east/node/port/east-port-1/records"]
    found += ["haidang/v1/east/node/port/unknown/records", "other/topic"]
    for c in CENTRES:
        for site, node in (("port", "port-1"), ("port", "port-2"), ("hill", "hill-1")):
            base = f"haidang/v1/{c}/node/{site}/{c}-{node}"
            for leaf in NodeLeaf:
                tail = {NodeLeaf.COMMAND: "/restart", NodeLeaf.SNAPSHOT: "/x.0.1"}.get(leaf, "")
                found.append(f"{base}/{leaf}{tail}")
            found.append(f"{base}/unheard-of")
        for scope in ("port", "hill", "centre"):
            found += [f"haidang/v1/{c}/case/{scope}/critical"]
            found += [f"haidang/v1/{c}/case/{scope}/answer/alert-1"]
        found.append(f"haidang/v1/{c}/ingest/w1/state")
    return found


def every_filter() -> list[str]:
    """Every topic as it is, and with wildcards; shared ones too."""
    found = ["#", "+/#", *EVERYTHING, "haidang/v1/+/node/+/+/records", "$SYS/#"]
    found += ["$CONTROL/dynamic-security/v1/response", "$CONTROL/#"]
    found += ["$share/ingest/haidang/v1/#", "$share/other/haidang/v1/east/node/+/+/records"]
    for c in CENTRES:
        found += [f"haidang/v1/{c}/#", f"haidang/v1/{c}/case/#", f"haidang/v1/{c}/node/port/#"]
        leaves = [*NodeLeaf, "command/+", "snapshot/+"]
        found += [f"haidang/v1/{c}/node/+/+/{leaf}" for leaf in leaves]
        found += [f"$share/ingest/haidang/v1/{c}/node/+/+/{leaf}" for leaf in leaves]
        found += [f"haidang/v1/{c}/case/+/+", f"haidang/v1/{c}/case/port/+"]
        found += [f"haidang/v1/{c}/ingest/+/state", f"haidang/v1/{c}/case/+/answer/+"]
    return found + every_topic()


def covers(granted: str, asked: str) -> bool:
    """Whether every topic that `asked` matches is one that `granted` matches; by level."""
    if granted.startswith("$") != asked.startswith("$"):
        return False
    mine, theirs = granted.split("/"), asked.split("/")
    for at, level in enumerate(mine):
        if level == "#":
            return True
        if at >= len(theirs) or theirs[at] == "#":
            return False
        if level not in ("+", theirs[at]):
            return False
    return len(mine) == len(theirs)


def allowed(lines: tuple[Acl, ...], verb: Verb, asked: str) -> bool:
    return any(line.verb is verb and covers(line.filter, asked) for line in lines)


def test_the_matcher_is_right() -> None:
    assert covers("a/+/c", "a/b/c")
    assert covers("a/#", "a/b/c")
    assert covers("a/+", "a/+")
    assert not covers("a/+", "a/#")
    assert not covers("a/b", "a/+")
    assert not covers("a/+", "a/b/c")
    assert not covers("#", "$SYS/x")


@pytest.fixture
def secure(mosquitto_program: Path, tmp_path: Path) -> Iterator[SecureBroker]:
    made = secure_broker(mosquitto_program, tmp_path / "b", [catalogue(c) for c in CENTRES])
    made.issue(STRANGER)
    made.issue(OBSERVER)
    made.start()
    yield made
    made.stop()


def speak(secure: SecureBroker, name: str) -> Speaker:
    return Speaker(secure.port, ca=secure.ca, cert=secure.cert(name), key=secure.key(name)).up()


@pytest.fixture
def speaking(secure: SecureBroker) -> Iterator[Callable[[str], Speaker]]:
    made: list[Speaker] = []

    def connect(name: str) -> Speaker:
        made.append(speak(secure, name))
        return made[-1]

    yield connect
    for speaker in made:
        speaker.close()


def grant(admin: AdminSettings, role: str, acltypes: tuple[str, ...], names: list[str]) -> None:
    """Give a role over everything to some clients."""
    acls = [
        {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
        for kind in acltypes
        for topic in EVERYTHING
    ]
    with Control.connect(admin) as control:
        control.run([{"command": "createRole", "rolename": role, "acls": acls}])
        control.run([{"command": "createClient", "username": name} for name in names])
        control.run([{"command": "addClientRole", "username": n, "rolename": role} for n in names])


def test_no_identity_does_on_the_broker_what_the_wire_does_not_give_it(
    secure: SecureBroker, speaking: Callable[[str], Speaker]
) -> None:
    lines = expected_lines()
    assert set(lines) == {*secure.identities, STRANGER}
    grant(
        secure.admin,
        "test.all",
        ("publishClientSend", "publishClientReceive", "subscribePattern"),
        [OBSERVER],
    )
    observer = speaking(OBSERVER)
    assert observer.subscribe(EVERYTHING) == [0, 0]
    speakers = {name: speaking(name) for name in lines}

    # publish: what came through is what may, and the broker's answer says so
    for name, speaker in speakers.items():
        codes = speaker.publish((topic, name.encode()) for topic in every_topic())
        for topic, code in zip(every_topic(), codes, strict=True):
            may = allowed(lines[name], Verb.PUBLISH, topic)
            assert code in ACCEPTED if may else code == REFUSED, f"{name} publishes {topic}"
    observer.barrier()
    heard = {(payload.decode(), topic) for topic, payload in observer.got}
    may_publish = {
        (name, topic)
        for name in lines
        for topic in every_topic()
        if allowed(lines[name], Verb.PUBLISH, topic)
    }
    assert heard == may_publish

    # subscribe: as the broker answers
    for name, speaker in speakers.items():
        codes = speaker.subscribe(every_filter())
        for asked, code in zip(every_filter(), codes, strict=True):
            may = allowed(lines[name], Verb.SUBSCRIBE, asked)
            assert code == (0 if may else REFUSED), f"{name} subscribes {asked}"

    # receive: what comes when everybody asked for all they could get
    observer.publish((topic, b"1") for topic in every_topic())
    shared: dict[str, set[str]] = {}
    for name, speaker in speakers.items():
        speaker.barrier()
        got = {topic for topic, _ in speaker.got}
        if ".ingest." in name:  # a group: each message goes to one of its two members
            shared.setdefault(name.split(".", 1)[0], set()).update(got)
            continue
        assert got == receivable(lines[name]), name
    assert shared == {c: receivable(acl.ingest_acl(c)) for c in CENTRES}


def test_what_may_not_be_received_does_not_come_though_it_was_subscribed(
    secure: SecureBroker, speaking: Callable[[str], Speaker]
) -> None:
    lines = expected_lines()
    kinds = ("publishClientSend", "publishClientReceive", "subscribePattern")
    grant(secure.admin, "test.all", kinds, [OBSERVER])
    grant(secure.admin, "test.curious", ("subscribePattern",), list(lines))
    observer = speaking(OBSERVER)
    speakers = {name: speaking(name) for name in lines}
    for speaker in speakers.values():
        assert speaker.subscribe(EVERYTHING) == [0, 0]
    observer.publish((topic, b"1") for topic in every_topic())
    for name, speaker in speakers.items():
        speaker.barrier()
        assert {topic for topic, _ in speaker.got} == receivable(lines[name]), name


def receivable(lines: tuple[Acl, ...]) -> set[str]:
    return {topic for topic in every_topic() if allowed(lines, Verb.RECEIVE, topic)}


def test_no_line_of_one_centre_reaches_into_the_other() -> None:
    for name, lines in expected_lines().items():
        own = [c for c in CENTRES if name.startswith(c)]
        assert own or name == STRANGER
        for line in lines:
            assert line.filter.removeprefix("$share/ingest/").split("/")[2] == own[0]


def test_the_roles_on_the_broker_are_those_of_the_wire(secure: SecureBroker) -> None:
    found: Rights = secure.rights()
    node: Role = found.roles["east.node.east-port-1"]
    assert ("publishClientSend", "haidang/v1/east/node/port/east-port-1/records") in node.lines
    assert topics.ROOT == "haidang/v1"
    assert len(node.lines) == len(acl.node_acl("east", "port", "east-port-1"))
