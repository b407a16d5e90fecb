"""Small messages: their versions, unknown fields, and the case that an alarm raises."""

from typing import Any

import msgspec
import pytest

from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import (
    AnswerKind,
    Birth,
    CameraHealth,
    CameraState,
    CaseAnswer,
    CaseMessage,
    CaseState,
    ClockState,
    Heartbeat,
    IngestState,
    Message,
    NodeCommand,
    NodeState,
    Reply,
    alert,
    decode,
    encode,
)
from haidang_protocols.wire.names import RecordId
from haidang_protocols.wire.records import Event, Phase, RuleKind
from haidang_protocols.wire.topics import Severity

CLOCK = ClockState(boot="ab12cd34", mono=5, wall=7, synced=True)
MESSAGES: list[Message] = [
    Birth(spool="00112233aabbccdd", next_seq=1, agent="0.1.0", clock=CLOCK),
    NodeState(online=False),
    Heartbeat(
        at=9,
        clock=CLOCK,
        cameras=(CameraHealth(id="gate-east", state=CameraState.FROZEN, frame_age_s=31.5),),
    ),
    NodeCommand(id="1", arguments={"camera": "gate-east", "seconds": 3}),
    Reply(id="1", ok=False, why="there is no such camera"),
    CaseMessage(
        case="alert-1",
        scope="city",
        severity=Severity.CRITICAL,
        state=CaseState.RAISED,
        record="gate-1.00112233aabbccdd.7",
        t=5,
        at=6,
        camera="gate-east",
    ),
    CaseAnswer(answer=AnswerKind.DONE, token="hd_x", note="xong"),
    IngestState(online=True, at=3),
]
EVENT = Event(
    t=1_000_000_000,
    camera="gate-east",
    rule="night",
    type=RuleKind.INTRUSION,
    phase=Phase.BEGIN,
    event="e1",
    severity=Severity.CRITICAL,
    alarm=True,
    zone="yard",
    cls="person",
    box=(0.1, 0.2, 0.3, 0.4),
    snapshot=True,
    synced=False,
)
RECORD = RecordId("gate-1.00112233aabbccdd.7")


def with_fields(message: Message, **fields: Any) -> bytes:
    return msgspec.json.encode({"v": 1, **msgspec.to_builtins(message), **fields})


def reason_of(payload: bytes, kind: type[Message]) -> str:
    with pytest.raises(MessageRefusedError) as caught:
        decode(payload, kind)
    assert str(caught.value).startswith(f"{kind.__name__}: ")
    return caught.value.reason


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode(encode(message), type(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_unknown_fields_are_ignored_and_unknown_versions_refused(message: Message) -> None:
    kind = type(message)
    assert decode(with_fields(message, invented={"a": 1}), kind) == message
    assert reason_of(with_fields(message, v=2), kind) == "version"
    assert reason_of(with_fields(message, v="1"), kind) == "malformed"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"v":1,"x":"\\u0000"}', b'{"x":' + b"[" * 9999],
)
def test_what_cannot_be_read_is_malformed(message: Message, payload: bytes) -> None:
    assert reason_of(payload, type(message)) == "malformed"


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (MESSAGES[0], {"spool": "00112233aabbccdd\n"}),
        (MESSAGES[0], {"next_seq": 0}),
        (MESSAGES[2], {"at": -1}),
        (MESSAGES[2], {"cameras": [{"id": "c", "state": "invented"}]}),
        (MESSAGES[5], {"state": "invented"}),
        (MESSAGES[6], {"answer": "maybe"}),
        (MESSAGES[6], {"note": "x" * 2001}),
    ],
)
def test_a_field_that_cannot_be_is_malformed(message: Message, fields: dict[str, Any]) -> None:
    assert reason_of(with_fields(message, **fields), type(message)) == "malformed"


def test_the_first_word_of_a_case_carries_what_staff_need() -> None:
    told = alert(EVENT, record=RECORD, scope="city", place="gate", at=EVENT.t + 200_000_000)
    assert told.case == "alert-gate-1-00112233aabbccdd-7"
    assert (told.scope, told.place, told.camera, told.zone) == ("city", "gate", "gate-east", "yard")
    assert (told.state, told.severity, told.type) == (
        CaseState.RAISED,
        Severity.CRITICAL,
        RuleKind.INTRUSION,
    )
    assert (told.t, told.record, told.box, told.cls) == (EVENT.t, RECORD, EVENT.box, "person")
    assert (told.snapshot, told.synced, told.delayed, told.provisional) == (
        True,
        False,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("age_s", "delayed"), [(0, False), (60, False), (61, True), (86_400, True)]
)
def test_an_alarm_that_comes_late_says_so(age_s: int, delayed: bool) -> None:
    told = alert(EVENT, record=RECORD, scope="city", place="gate", at=EVENT.t + age_s * 10**9)
    assert told.delayed is delayed


def test_twice_is_once() -> None:
    first = alert(EVENT, record=RECORD, scope="city", place="gate", at=1, provisional=True)
    second = alert(EVENT, record=RECORD, scope="city", place="gate", at=2)
    assert first.provisional
    assert not second.provisional
    assert first.case == second.case
