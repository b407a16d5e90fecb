"""What was refused stays out of the lake, however often it comes again and with whom."""

from pathlib import Path

from fakes.sender import SPOOL, START, envelope, event
from haidang_cloud.ingest import Directory, Judge
from haidang_cloud.ingest.taken import Taken
from haidang_cloud.lake import Archive, Lake, Roller
from haidang_cloud.state import State, ledger
from haidang_cloud.state.ledger import SpoolKey
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire import topics
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.topics import NodeLeaf

NOW = START + 60 * 10**9


def test_a_record_refused_once_does_not_come_in_with_a_later_message(
    minimal: Catalogue, state: State, tmp_path: Path
) -> None:
    lake = Lake(tmp_path / "lake", state, centre="demo", time_zone="Asia/Ho_Chi_Minh")
    archive = Archive(lake.archive_folder, worker="w1")
    known: dict[SpoolKey, SeqSet] = {}
    judge = Judge(Directory(minimal, 7), lambda key: known.get(key, SeqSet()))
    text = topics.node_topic("demo", "gate", "gate-1", NodeLeaf.RECORDS)
    topic = topics.parse(text)
    assert isinstance(topic, topics.NodeTopic)
    good, future = event(t=START), event(t=NOW + 301 * 10**9)
    records = {1: good, 2: future, 3: event(t=START + 1), 4: event(t=START + 2)}
    for seqs in ((1, 2), (2, 3), (1, 2, 3, 4)):
        took = Taken()
        payload = envelope([(seq, records[seq]) for seq in seqs])
        judge.take(took, topic, text, payload, NOW)
        archive.append(took.frames)
        known |= ledger.commit(state, "demo", took.stored, dead=took.letters, now_ns=NOW)
    archive.close()
    assert Roller(lake, holder="a").roll() == 3
    assert sorted(row.seq for row in lake.rows()) == [1, 3, 4]
    assert known == {SpoolKey("gate-1", SPOOL, "gate"): SeqSet([(1, 4)])}
