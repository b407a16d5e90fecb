"""Topics: built, parsed, matched by their filters, refused when they are none of the wire's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_protocols.wire import topics
from haidang_protocols.wire.names import (
    RESERVED,
    CaseId,
    CentreId,
    NameRefusedError,
    NodeId,
    ScopeId,
    SiteId,
    case_id_of,
    check_name,
    is_spool_id,
    parse_record_id,
    record_id,
)
from haidang_protocols.wire.topics import NodeLeaf, Severity
from strategies import NAMES, SEQS, SPOOLS

WITH_TAIL = (NodeLeaf.COMMAND, NodeLeaf.SNAPSHOT)


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT's matching of `+`, which is all that the wire's filters use."""
    asked, words = topic_filter.split("/"), topic.split("/")
    return len(asked) == len(words) and all(
        a in ("+", w) for a, w in zip(asked, words, strict=True)
    )


def tail_of(leaf: NodeLeaf, node: str, spool: str, seq: int) -> str | None:
    if leaf is NodeLeaf.SNAPSHOT:
        return record_id(node, spool, seq)
    return "reboot" if leaf is NodeLeaf.COMMAND else None


@given(
    centre=NAMES,
    site=NAMES,
    node=NAMES,
    leaf=st.sampled_from(NodeLeaf),
    spool=SPOOLS,
    seq=SEQS,
)
def test_a_node_s_topic_is_parsed_as_it_was_built(
    centre: str, site: str, node: str, leaf: NodeLeaf, spool: str, seq: int
) -> None:
    tail = tail_of(leaf, node, spool, seq)
    topic = topics.node_topic(centre, site, node, leaf, tail)
    assert topics.parse(topic) == topics.NodeTopic(
        centre=CentreId(centre), site=SiteId(site), node=NodeId(node), leaf=leaf, tail=tail
    )
    assert matches(topics.node_filter(centre, leaf), topic)
    assert matches(topics.node_filter(centre, leaf, site=site, node=node), topic)
    others = (other for other in NodeLeaf if other is not leaf)
    assert not any(matches(topics.node_filter(centre, other), topic) for other in others)


@given(
    centre=NAMES,
    scope=NAMES,
    severity=st.sampled_from(Severity),
    worker=NAMES,
    node=NAMES,
    spool=SPOOLS,
    seq=SEQS,
)
def test_cases_answers_and_workers_are_parsed_as_they_were_built(
    centre: str, scope: str, severity: Severity, worker: str, node: str, spool: str, seq: int
) -> None:
    case = case_id_of(record_id(node, spool, seq))
    told = topics.case_topic(centre, scope, severity)
    answered = topics.answer_topic(centre, scope, case)
    working = topics.ingest_topic(centre, worker)
    assert topics.parse(told) == topics.CaseTopic(
        centre=CentreId(centre), scope=ScopeId(scope), severity=severity
    )
    assert topics.parse(answered) == topics.AnswerTopic(
        centre=CentreId(centre), scope=ScopeId(scope), case=CaseId(case)
    )
    assert topics.parse(working) == topics.IngestTopic(centre=CentreId(centre), worker=worker)
    filters = (
        topics.case_filter(centre),
        topics.answer_filter(centre),
        topics.ingest_filter(centre),
    )
    hits = [[matches(f, t) for t in (told, answered, working)] for f in filters]
    assert hits == [[True, False, False], [False, True, False], [False, False, True]]


RECORD = "n.00112233aabbccdd.7"
FORGED = [
    "",
    "haidang",
    "haidang/v1",
    "haidang/v1/c",
    "haidang/v1/c/",
    "haidang/v2/c/node/s/n/records",
    "other/v1/c/node/s/n/records",
    "/haidang/v1/c/node/s/n/records",
    "haidang/v1/c/node/s/n",
    "haidang/v1/c/node/s/n/records/",
    "haidang/v1/c/node/s/n/records/more",
    "haidang/v1/c/node/s/n/invented",
    "haidang/v1/c/node/s/n/command",
    "haidang/v1/c/node/s/n/command/",
    "haidang/v1/c/node/s/n/command/a/b",
    "haidang/v1/c/node/s/n/command/Reboot",
    "haidang/v1/c/node/s/n/snapshot",
    "haidang/v1/c/node/s/n/snapshot/no-record",
    "haidang/v1/c/node/s/n/snapshot/n.00112233aabbccdd.0",
    "haidang/v1/c/node/s/n/snapshot/n.00112233AABBCCDD.7",
    f"haidang/v1/c/node/s/n/snapshot/{RECORD}\n",
    "haidang/v1/c/node/s//records",
    "haidang/v1/c/node/s/+/records",
    "haidang/v1/c/node/+/n/records",
    "haidang/v1/+/node/s/n/records",
    "haidang/v1/c/node/s/n/#",
    "haidang/v1/c/node/S/n/records",
    "haidang/v1/c/node/_s/n/records",
    "haidang/v1/c/node/s/n\n/records",
    "haidang/v1/c/node/s/n/records\n",
    "haidang/v1/c/node/case/n/records",
    "haidang/v1/ingest/node/s/n/records",
    "haidang/v1/c/case/scope",
    "haidang/v1/c/case/scope/urgent",
    "haidang/v1/c/case/answer/critical",
    "haidang/v1/c/case/scope/answer",
    "haidang/v1/c/case/scope/answer/",
    "haidang/v1/c/ingest/w1",
    "haidang/v1/c/ingest/w1/gone",
    "haidang/v1/c/ingest/W1/state",
    "$share/ingest/haidang/v1/c/node/s/n/records",
]


@pytest.mark.parametrize("topic", FORGED)
def test_what_is_none_of_the_wire_s_topics_is_refused(topic: str) -> None:
    with pytest.raises(topics.TopicRefusedError) as caught:
        topics.parse(topic)
    assert repr(topic) in str(caught.value)


@given(st.text(max_size=80) | st.lists(st.text(max_size=9), max_size=9).map("/".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for topic in (text, f"{topics.ROOT}/{text}", f"{topics.ROOT}/c/node/{text}"):
        try:
            topics.parse(topic)
        except topics.TopicRefusedError:
            continue


@pytest.mark.parametrize("leaf", list(NodeLeaf))
def test_a_tail_belongs_to_command_and_snapshot_only(leaf: NodeLeaf) -> None:
    wrong = None if leaf in WITH_TAIL else "tail"
    with pytest.raises(topics.TopicRefusedError, match="tail"):
        topics.node_topic("c", "s", "n", leaf, wrong)


def test_a_shared_filter_names_its_group() -> None:
    asked = topics.shared("ingest", topics.node_filter("c", NodeLeaf.RECORDS))
    assert asked == "$share/ingest/haidang/v1/c/node/+/+/records"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_no_names_and_the_error_lists_them(word: str) -> None:
    with pytest.raises(NameRefusedError, match="answer, case, ingest, node"):
        check_name(word, what="site")


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a b", "a/b", "a.b", "ä", "a\n", "a" * 49])
def test_a_name_that_cannot_travel_is_refused_and_the_error_says_what_can(name: str) -> None:
    with pytest.raises(NameRefusedError, match="1 to 48 of a-z 0-9 _ -"):
        check_name(name, what="site")


@given(node=NAMES, spool=SPOOLS, seq=SEQS)
def test_a_record_s_id_is_taken_apart_as_it_was_put_together(
    node: str, spool: str, seq: int
) -> None:
    assert is_spool_id(spool)
    assert parse_record_id(record_id(node, spool, seq)) == (node, spool, seq)


@pytest.mark.parametrize(
    "text", ["", "n", "n.s.1", "n.00112233aabbccdd.01", "n.00112233aabbccdd.1\n", "n.x.1.2"]
)
def test_what_is_no_record_s_id_is_refused(text: str) -> None:
    with pytest.raises(NameRefusedError, match="node\\.spool\\.seq"):
        parse_record_id(text)


def test_a_spool_s_id_has_sixteen_digits_and_nothing_after_them() -> None:
    assert is_spool_id("00112233aabbccdd")
    assert not any(map(is_spool_id, ("", "0" * 15, "0" * 17, "0" * 16 + "\n", "G" * 16)))
