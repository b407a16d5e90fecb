"""What people read: both languages say everything, nothing is said that nobody asks for."""

import ast
import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

import haidang_cloud.console
import haidang_protocols.wire
from haidang_cloud.cases.life import OPEN
from haidang_cloud.console.texts import LANGUAGES, texts
from haidang_cloud.demo.home import shipped_catalogue
from haidang_cloud.state.drafts import Outcome
from haidang_edge.publish import unreached
from haidang_protocols.boards import words
from haidang_protocols.catalogue import load_texts
from haidang_protocols.catalogue.model import Right
from haidang_protocols.catalogue.problems import MISTAKES
from haidang_protocols.wire.messages import AnswerKind, CaseState
from haidang_protocols.wire.reasons import REASONS
from haidang_protocols.wire.records import GapReason

FOLDER = Path(haidang_cloud.console.__file__).parent
SOURCES = [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.js"), *FOLDER.rglob("*.html")]
WRITTEN = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
FIGURES = ("spooled", "stored", "waiting", "lost", "doubled", "refused")
FAULTS = ("link", "broker", "ingest", "database", "camera", "clock", "message")
SESSIONS = "session.begin session.refused token.make token.revoke"
PEOPLE = "person.first_admin person.password_link person.entry_link person.password"
OTHERS = "catalogue.draft catalogue.draft_drop catalogue.publish deadletter.replay demo.fault"
CASES = {f"case.{kind.value}" for kind in [*AnswerKind]} | {"case.note", "case.answer_refused"}
ACTIONS = {*CASES, *SESSIONS.split(), *PEOPLE.split(), *OTHERS.split()}
"""What the audit log says that somebody did."""
RAISED = ("RefusedError", "_AnswerRefusedError", "super().__init__")
CODE = r"[a-z_]+(\.[a-z_]+)?"
BESIDE = ("not_found", "method", "too_large", "http", "invalid", "fault", "away", "value.catalogue")
"""Refusals that no `RefusedError` says."""


def refusals() -> Iterator[tuple[str, set[str]]]:
    """Every refusal that the source can make: its code, and the names of its values."""
    for path in sorted(FOLDER.parent.rglob("*.py")):
        # a command's refusal is read in a terminal
        if path.parent.name not in ("processes", "commands"):
            yield from _refusals_in(ast.parse(path.read_text(encoding="utf-8")))
    yield from ((code, {"n"}) for code in BESIDE)


def _refusals_in(
    tree: ast.Module, raised: Sequence[str] = RAISED
) -> Iterator[tuple[str, set[str]]]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in raised:
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Constant) and re.fullmatch(CODE, str(first.value)):
                yield str(first.value), {str(one.arg) for one in call.keywords}


def letters() -> Iterator[str]:
    """Every reason that a dead letter can have."""
    yield "refused"  # by the time series
    for folder in (Path(haidang_protocols.wire.__file__).parent, FOLDER.parent / "ingest"):
        for path in sorted(folder.glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (code for code, _ in _refusals_in(tree, ["MessageRefusedError"]))


REFUSALS = list(refusals())
LETTERS = set(letters())
TROUBLES = ("database", "series", "lake", "disk")
TOLD = "via from to why scope role label days for_s answer reason undo"
"""Keys of its details."""
CLIENT_SAYS = (
    "Unspecified error",
    "Keep alive timeout",
    "Protocol error",
    "Normal disconnection",
    "Not authorized",
    "Bad user name or password",
    "Client identifier not valid",
    "Unsupported protocol version",
    "Server unavailable",
)
"""What the MQTT client says of a broken line, and what a node says of one that does not come up."""
NODE_SAYS = (
    "no answer",
    "it breaks off at once",
    "its certificate is not of our authority",
    "by this node's clock its certificate is not valid yet",
    "by this node's clock its certificate has ended",
)
SAID = (*CLIENT_SAYS, *NODE_SAYS, os.strerror(errno.ECONNREFUSED))
MADE = {
    *(f"said.{re.sub(r'[^a-z0-9]+', '_', one.lower())}" for one in SAID),
    *(f"refused.{code}" for code, _ in REFUSALS),
    *(f"mistake.{code}" for code in MISTAKES),
    *(f"why.{code}" for code in REASONS),
    *(f"right.{right.value}" for right in Right),
    *(f"case.{state.value}" for state in CaseState),
    *(f"case.answer.{kind.value}" for kind in [*AnswerKind]),
    *(f"step.{kind.value}" for kind in [*AnswerKind]),
    *(f"camera.draft.{outcome.value}" for outcome in Outcome),
    "case.answer.note",
    *(f"step.{word}" for word in ("raised", "ended", "note")),
    *(f"way.{key}" for key in ("overview", "alarms", "cameras", "nodes", "boards", "audit")),
    *(f"camera.why.{verb}" for verb in ("publish", "drop", "undo")),
    *(
        f"camera.change.{kind}.{what}"
        for kind in ("zone", "line", "rule")
        for what in ("added", "removed", "moved", "renamed")
    ),
    "way.faults",
    *(f"state.{word}_why" for word in ("forbidden", "missing", "failed", "away")),
    *(f"act.{action}" for action in ACTIONS),
    *(f"faults.{word}" for word in ("begun", "over", "sent")),
    *(f"faults.figure.{figure}" for figure in FIGURES),
    *(f"faults.reason.{reason}" for reason in LETTERS),
    *(f"faults.trouble.{trouble}" for trouble in TROUBLES),
    *(f"fault.{fault}{part}" for fault in FAULTS for part in ("", ".does", ".then", ".act")),
    *(f"nodes.{state}" for state in ("online", "offline", "silent", "never", "starting")),
    *(f"frame.{part}" for part in ("database", "broker", "series", "ingest")),
    *(f"audit.{c}" for c in ("number", "at", "actor", "action", "object", "detail", "hash")),
    *(f"audit.{c}" for c in ("until", "looked", "picture", "looks")),
    *(f"audit.{kind}{word}" for kind in ("", "looks_") for word in ("title", "about", "none")),
    *(f"day.{day}" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
    *(f"told.{key}" for key in TOLD.split()),
}


def test_both_languages_have_the_same_keys() -> None:
    vi, en = texts("vi"), texts("en")
    assert vi.keys() == en.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_says_something(language: str) -> None:
    assert [key for key, text in texts(language).items() if not text.strip()] == []


def gaps(sentence: str) -> set[str]:
    return set(re.findall(r"\{(\w+)[:!\w.]*\}", sentence))


def test_both_languages_have_the_same_gaps() -> None:
    vi, en = texts("vi"), texts("en")
    assert [key for key in vi if gaps(vi[key]) != gaps(en[key])] == []


def test_every_key_that_is_asked_for_is_there() -> None:
    asked = set(re.findall(r"""\bt\(['"]([a-z_]+\.[a-z_.]+)['"][,)]""", WRITTEN))
    asked |= set(re.findall(r"""words\[["']([a-z_]+\.[a-z_.]+)["']\]""", WRITTEN))
    assert asked | MADE <= texts("vi").keys()
    assert len(asked) > 80


def test_no_sentence_is_left_over() -> None:
    known = {key for key in texts("vi") if key in WRITTEN or key.replace(".", "_") in WRITTEN}
    assert texts("vi").keys() - known - MADE == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_words_for_what_it_is_about(language: str) -> None:
    words = texts(language)
    assert len(REFUSALS) > 50
    for code, values in REFUSALS:
        assert gaps(words[f"refused.{code}"]) <= values, code


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_told_by_a_code_has_words_for_what_it_is_about(language: str) -> None:
    """A catalogue's mistakes, and why a camera or a node is as it says."""
    words = texts(language)
    for kind, known in (("mistake", MISTAKES), ("why", REASONS)):
        for code, sentence in known.items():
            assert gaps(words[f"{kind}.{code}"]) <= gaps(sentence), code


def test_what_has_words_of_a_broken_line_is_what_nodes_say() -> None:
    names = ReasonCode(PacketTypes.DISCONNECT).names
    assert set(CLIENT_SAYS) <= {name for code in names.values() for name in code}
    written = Path(unreached.__file__).read_text(encoding="utf-8")
    assert [one for one in NODE_SAYS if f'"{one}"' not in written] == []


def test_why_records_were_given_up_can_be_said() -> None:
    assert {reason.value for reason in GapReason} == {one.value for one in words.GAP_REASONS}


def test_every_open_state_can_be_named() -> None:
    assert {f"case.{state.value}" for state in OPEN} <= texts("vi").keys()


def test_whatever_the_demo_sees_has_a_name_in_both_languages() -> None:
    named = {one.value for one in words.CLASSES}
    models = load_texts(shipped_catalogue()).models
    assert {label for model in models for label in model.classes} <= named
