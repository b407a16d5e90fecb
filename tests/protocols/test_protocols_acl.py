"""Access lines: made from the topics, enough for each identity, and nothing of anybody else's."""

import pytest

from haidang_protocols.wire import acl, topics
from haidang_protocols.wire.acl import Acl, Verb
from haidang_protocols.wire.topics import NodeLeaf, Severity

TAILS = {NodeLeaf.COMMAND: "reboot", NodeLeaf.SNAPSHOT: "gate-1.00112233aabbccdd.7"}
UP = {
    NodeLeaf.RECORDS,
    NodeLeaf.BIRTH,
    NodeLeaf.STATE,
    NodeLeaf.HEARTBEAT,
    NodeLeaf.ALARM,
    NodeLeaf.REPORTED,
    NodeLeaf.REPLY,
    NodeLeaf.SNAPSHOT,
}


def topic(leaf: NodeLeaf, *, centre: str = "c", site: str = "gate", node: str = "gate-1") -> str:
    return topics.node_topic(centre, site, node, leaf, TAILS.get(leaf))


def may(lines: tuple[Acl, ...], verb: Verb, asked: str) -> bool:
    """Whether a line allows it, by MQTT's matching of `+`."""
    words = asked.split("/")
    for line in lines:
        allowed = line.filter.split("/")
        if (
            line.verb is verb
            and len(allowed) == len(words)
            and all(a in ("+", w) for a, w in zip(allowed, words, strict=True))
        ):
            return True
    return False


def writes(lines: tuple[Acl, ...], **where: str) -> set[NodeLeaf]:
    return {leaf for leaf in NodeLeaf if may(lines, Verb.PUBLISH, topic(leaf, **where))}


def reads(lines: tuple[Acl, ...], **where: str) -> set[NodeLeaf]:
    return {leaf for leaf in NodeLeaf if may(lines, Verb.RECEIVE, topic(leaf, **where))}


def test_a_node_writes_what_goes_up_and_reads_what_comes_down() -> None:
    lines = acl.node_acl("c", "gate", "gate-1")
    assert writes(lines) == UP
    assert reads(lines) == set(NodeLeaf) - UP
    assert may(lines, Verb.RECEIVE, topics.ingest_topic("c", "w1"))
    assert not may(lines, Verb.PUBLISH, topics.ingest_topic("c", "w1"))


@pytest.mark.parametrize(
    "where", [{"node": "gate-2"}, {"site": "yard"}, {"centre": "other"}, {"node": "gate"}]
)
def test_a_node_has_no_part_in_another_one_s_topics(where: dict[str, str]) -> None:
    lines = acl.node_acl("c", "gate", "gate-1")
    assert writes(lines, **where) == set()
    assert reads(lines, **where) == set()
    for severity in Severity:
        assert not may(lines, Verb.PUBLISH, topics.case_topic("c", "city", severity))
        assert not may(lines, Verb.RECEIVE, topics.case_topic("c", "city", severity))


def test_ingest_shares_its_readings_and_writes_no_record() -> None:
    lines = acl.ingest_acl("c")
    assert writes(lines) == {NodeLeaf.STORED}
    assert reads(lines) == set(acl.INGEST_READS)
    asked = [line.filter for line in lines if line.verb is Verb.SUBSCRIBE]
    assert asked
    assert all(f.startswith(f"$share/{acl.INGEST_GROUP}/") for f in asked)
    assert not writes(lines, centre="other")


def test_the_worker_tells_cases_hears_answers_and_says_what_nodes_run() -> None:
    lines = acl.worker_acl("c")
    assert writes(lines) == {NodeLeaf.DESIRED}
    assert not writes(lines, centre="other")
    assert may(lines, Verb.PUBLISH, topics.case_topic("c", "city", Severity.CRITICAL))
    assert may(lines, Verb.RECEIVE, topics.answer_topic("c", "city", "alert-1"))
    assert not may(lines, Verb.PUBLISH, topics.answer_topic("c", "city", "alert-1"))
    assert not may(lines, Verb.PUBLISH, topics.case_topic("other", "city", Severity.INFO))


def test_staff_hear_and_answer_their_own_scope_only() -> None:
    lines = acl.staff_acl("c", "city", sites=("gate",))
    assert may(lines, Verb.RECEIVE, topics.case_topic("c", "city", Severity.INFO))
    assert may(lines, Verb.PUBLISH, topics.answer_topic("c", "city", "alert-1"))
    assert not may(lines, Verb.PUBLISH, topics.case_topic("c", "city", Severity.INFO))
    assert not may(lines, Verb.RECEIVE, topics.answer_topic("c", "city", "alert-1"))
    assert not may(lines, Verb.RECEIVE, topics.case_topic("c", "port", Severity.INFO))
    assert reads(lines) == {NodeLeaf.ALARM}
    assert reads(lines, site="yard") == set()
    whole = acl.staff_acl("c", "+")
    assert may(whole, Verb.RECEIVE, topics.case_topic("c", "port", Severity.INFO))


def test_a_site_s_broker_speaks_for_its_site_only() -> None:
    lines = acl.bridge_acl("c", "gate", ("city",))
    assert writes(lines, node="gate-9") == UP
    assert reads(lines, node="gate-9") == set(NodeLeaf) - UP
    assert not writes(lines, site="yard")
    assert not reads(lines, site="yard")
    assert may(lines, Verb.RECEIVE, topics.case_topic("c", "city", Severity.INFO))
    assert not may(lines, Verb.RECEIVE, topics.case_topic("c", "port", Severity.INFO))
    assert may(lines, Verb.PUBLISH, topics.answer_topic("c", "city", "alert-1"))


def test_the_console_commands_nodes_and_writes_nothing_else() -> None:
    lines = acl.console_acl("c")
    assert writes(lines) == {NodeLeaf.COMMAND}
    assert NodeLeaf.HEARTBEAT in reads(lines)
    assert not writes(lines, centre="other")


@pytest.mark.parametrize(
    "lines",
    [
        acl.node_acl("c", "s", "n"),
        acl.ingest_acl("c"),
        acl.worker_acl("c"),
        acl.bridge_acl("c", "s"),
        acl.console_acl("c"),
        acl.staff_acl("c", "+"),
    ],
)
def test_no_line_reaches_over_the_centre_or_stands_twice(lines: tuple[Acl, ...]) -> None:
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert "#" not in line.filter
        own = line.filter.removeprefix(f"$share/{acl.INGEST_GROUP}/")
        assert own.startswith(f"{topics.ROOT}/c/")
    received = {line.filter for line in lines if line.verb is Verb.RECEIVE}
    asked = {line.filter for line in lines if line.verb is Verb.SUBSCRIBE}
    assert {f.removeprefix(f"$share/{acl.INGEST_GROUP}/") for f in asked} == received
