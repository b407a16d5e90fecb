"""The life of an alert: raised → acknowledged → on scene → closed | false alarm. Pure."""

from haidang_protocols.wire.messages import AnswerKind, CaseState

OPEN = (CaseState.RAISED, CaseState.ACKNOWLEDGED, CaseState.ON_SCENE)
"""States in which somebody must still do something."""

_NEXT: dict[tuple[CaseState, AnswerKind], CaseState] = {
    (CaseState.RAISED, AnswerKind.ACKNOWLEDGED): CaseState.ACKNOWLEDGED,
    # who is already there has seen it
    (CaseState.RAISED, AnswerKind.ON_SCENE): CaseState.ON_SCENE,
    (CaseState.RAISED, AnswerKind.FALSE): CaseState.FALSE_ALARM,
    (CaseState.ACKNOWLEDGED, AnswerKind.ON_SCENE): CaseState.ON_SCENE,
    (CaseState.ACKNOWLEDGED, AnswerKind.FALSE): CaseState.FALSE_ALARM,
    (CaseState.ACKNOWLEDGED, AnswerKind.DONE): CaseState.CLOSED,
    (CaseState.ON_SCENE, AnswerKind.FALSE): CaseState.FALSE_ALARM,
    (CaseState.ON_SCENE, AnswerKind.DONE): CaseState.CLOSED,
}


def after(state: CaseState, answer: AnswerKind) -> CaseState | None:
    """The state that an answer leads to; None when it may not be given there."""
    return _NEXT.get((state, answer))


def allowed(state: CaseState) -> tuple[AnswerKind, ...]:
    """The answers that a state takes."""
    return tuple(answer for at, answer in _NEXT if at is state)
