"""Nothing lost, nothing doubled: real processes, killed at the worst moments."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from fakes.node_accounts import Account
from fakes.node_line import Line
from servers import start

pytestmark = pytest.mark.broker


def settled(line: Line, node: str = "n1") -> int:
    return len(line.notes(node).settled)


def workers_down_then_broker_killed(
    line: Line, broker: start.Server, *, hung: bool, down_s: float = 2.0
) -> Account:
    """The schedule that shows whose word the node takes.

    The workers go while the node sends, the broker takes what they no longer do, then it dies with
    all of it in its memory; in the end all are there again.
    """
    line.start()
    for worker in line.workers:
        if hung:
            worker.signal(signal.SIGSTOP)
        else:
            worker.kill()
    at = settled(line)
    time.sleep(down_s)
    assert settled(line) > at + 50, "the node goes on while nobody stores"
    broker.kill()
    time.sleep(0.3)
    for worker in line.workers:
        worker.kill()
    broker.start()
    for worker in line.workers:
        worker.start()
    line.finish()
    line.stop()
    return line.account()


@pytest.mark.parametrize("hung", [False, True], ids=["killed", "hung"])
def test_workers_down_then_the_broker_killed_loses_nothing(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    tell: Callable[[object], None],
    hung: bool,
) -> None:
    line = new_line(**embedded)
    line.node(rate=400.0)
    found = workers_down_then_broker_killed(line, broker, hung=hung)
    tell(found)
    assert not found.faults()
    assert found.settled > 1000
