"""Where a child begins, by name: importable by the supervisor without what the child needs."""

from multiprocessing.connection import Connection


def camera(connection: Connection, job: bytes) -> None:
    """A camera's child."""
    from haidang_edge.agent.camera import run  # heavy: in the child only

    run(connection, job)


def engine(connection: Connection, job: bytes) -> None:
    """An engine's child."""
    from haidang_edge.agent.engine import run  # heavy: in the child only

    run(connection, job)


def inspection(connection: Connection, question: bytes) -> None:
    """A child that answers one question about models and sources."""
    from haidang_edge.agent.inspection import answer  # heavy: in the child only

    answer(connection, question)
