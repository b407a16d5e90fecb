"""Cases: what somebody must finish. The kind *alert*: raised by an alarm, ended by a person."""

from haidang_cloud.cases.answers import AnswerDesk, Outcome
from haidang_cloud.cases.desk import CaseDesk
from haidang_cloud.cases.life import OPEN
from haidang_cloud.cases.line import CaseLine
from haidang_cloud.cases.model import Answer, CaseConflictError, CaseView, Step
from haidang_cloud.cases.shelf import CaseShelf, Place
from haidang_cloud.cases.teller import CaseTeller

__all__ = [
    "OPEN",
    "Answer",
    "AnswerDesk",
    "CaseConflictError",
    "CaseDesk",
    "CaseLine",
    "CaseShelf",
    "CaseTeller",
    "CaseView",
    "Outcome",
    "Place",
    "Step",
]
