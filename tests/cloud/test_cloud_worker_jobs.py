"""A process's jobs on both databases: one that fails ends no other, a leased one runs once."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.processes.jobs import Job, Jobs
from haidang_cloud.state import State, leases, open_state
from servers.start import wait_until

SECOND_NS = 10**9


@pytest.fixture
def small(tmp_path: Path) -> State:
    return open_state(f"sqlite:///{tmp_path / 'jobs.sqlite'}")


class Counted:
    """A job that fails as long as it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.runs = error, 0

    def __call__(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


def jobs_of(
    state: State, *jobs: Job, holder: str = "a", now_ns: Callable[[], int] = lambda: SECOND_NS
) -> Jobs:
    made = Jobs(jobs, state, centre="c", holder=holder, now_ns=now_ns)
    made.start()
    return made


def test_a_job_that_fails_backs_off_and_the_others_go_on(
    small: State, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Counted(ValueError("a fault of ours")), Counted()
    away = Counted(StateUnavailableError("the database does not answer"))
    with caplog.at_level(logging.WARNING):
        jobs = jobs_of(
            small,
            Job(name="bad", run=bad, backoff_max_s=0.05),
            Job(name="away", run=away, backoff_max_s=0.05),
            Job(name="good", run=good, every_s=0.001),
        )
        wait_until(lambda: bad.runs > 3 and away.runs > 3 and good.runs > 50, what="runs")
        assert set(jobs.trouble) == {"bad", "away"}
        bad.error = away.error = None
        wait_until(lambda: not jobs.trouble, what="an end of the trouble")
        jobs.stop()
    said = [(record.message, record.exc_info is not None) for record in caplog.records]
    failures = [(text, traced) for text, traced in said if "failed" in text]
    # once each, and a traceback only for what nobody foresaw
    assert len(failures) == 2
    assert {("bad" in text.split()[1], traced) for text, traced in failures} == {
        (True, True),
        (False, False),
    }
    assert sum("works again" in text for text, _ in said) == 2
    small.close()


def test_a_leased_job_runs_in_one_process_and_moves_on_when_that_one_ends(state: State) -> None:
    clock = [SECOND_NS]
    first, second = Counted(), Counted()

    def leased(run: Counted) -> Job:
        return Job(name="x", run=run, every_s=0.01, lease_s=60.0)

    one = jobs_of(state, leased(first), holder="a", now_ns=lambda: clock[0])
    wait_until(lambda: first.runs, what="the first run")
    two = jobs_of(state, leased(second), holder="b", now_ns=lambda: clock[0])
    runs = first.runs
    wait_until(lambda: first.runs > runs + 3, what="more runs")
    assert second.runs == 0
    one.stop()  # gives its lease back
    wait_until(lambda: second.runs, what="the second process")
    two.stop()
    assert leases.take(state, "x:c", "c", now_ns=clock[0], for_ns=1)


def test_a_process_that_dies_loses_its_lease_by_time(state: State) -> None:
    clock = [SECOND_NS]
    assert leases.take(state, "x:c", "dead", now_ns=clock[0], for_ns=60 * SECOND_NS)
    run = Counted()
    looks = Counted()

    def wanted() -> bool:
        looks()
        return True

    jobs = jobs_of(
        state,
        Job(name="x", run=run, every_s=0.01, lease_s=60.0, wanted=wanted),
        now_ns=lambda: clock[0],
    )
    wait_until(lambda: looks.runs > 3, what="tries")
    assert run.runs == 0
    clock[0] += 61 * SECOND_NS
    wait_until(lambda: run.runs, what="a run")
    jobs.stop()


def test_a_job_that_is_not_wanted_takes_no_lease(small: State) -> None:
    run, looked = Counted(), threading.Event()

    def wanted() -> bool:
        looked.set()
        return False

    jobs = jobs_of(small, Job(name="x", run=run, every_s=0.01, lease_s=60.0, wanted=wanted))
    assert looked.wait(10)
    jobs.stop()
    assert run.runs == 0
    assert leases.take(small, "x:c", "b", now_ns=SECOND_NS, for_ns=1)
    small.close()
