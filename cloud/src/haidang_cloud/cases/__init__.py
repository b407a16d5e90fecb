"""Cases: what somebody must finish. The kind *alert*: raised by an alarm, ended by a person."""

from haidang_cloud.cases.desk import Answer, CaseDesk, CaseView, Step
from haidang_cloud.cases.life import OPEN, after

__all__ = ["OPEN", "Answer", "CaseDesk", "CaseView", "Step", "after"]
