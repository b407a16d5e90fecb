"""`haidang cloud worker`: cases, what nodes are wanted to run, and the centre's upkeep."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.broker import BrokerSettings, Line
from haidang_cloud.cases import CaseLine
from haidang_cloud.desired import DesiredTeller
from haidang_cloud.ingest import Directory
from haidang_cloud.lake import Lake, Roller
from haidang_cloud.people import Accounts, Rights
from haidang_cloud.people.audit import Anchor
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import CloudConfig, broker_of, load_config, series_of, state_of
from haidang_cloud.processes.jobs import Job, Jobs
from haidang_cloud.processes.stores import DAY_NS
from haidang_cloud.processes.tidy import tidy_apart
from haidang_cloud.state import dirty
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.projection import HEALTH, RECORDS, ensure_buckets, project
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.names import check_name

log = logging.getLogger(__name__)

REPORT_S = 60.0
HOUR_S = 3600.0
LOOKS_DAYS = 365
"""Who looked at a picture is known for so much longer than the picture is kept."""


class Ruling:
    """What the worker must know of a catalogue in force: whose an alarm is, and who may answer."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.owner = Directory(catalogue, number).owner
        self.rights = Rights(catalogue)


def run(config_path: Path, *, worker: str, verbose: bool = False) -> int:
    """Run until SIGTERM."""
    running.log_to_stderr(verbose=verbose)
    running.few_arenas()
    config = load_config(config_path)
    check_name(worker, what="worker")
    state = state_of(config)
    series = series_of(config)
    in_force = InForce(state, config, Ruling)
    broker = broker_of(config, process=f"worker.{worker}")
    line = Line(broker, client_id=f"{config.centre}.worker.{worker}")
    cases = _cases(config, line, state, in_force)
    holder = f"worker-{worker}"
    teller = _teller(config, line, state, broker, in_force, holder)
    jobs = Jobs(
        [
            *_case_jobs(cases),
            _telling(teller),
            *_keeping_jobs(config, state, series, in_force, holder),
            _tidying(config_path.resolve(), in_force),
        ],
        state,
        centre=config.centre,
        holder=holder,
    )
    report = Job(name="report", every_s=REPORT_S, run=lambda: _report(worker, line, cases, jobs))
    reporting = Jobs([report], state, centre=config.centre, holder=holder)
    running.on_signal(line.stop)
    log.info("worker %s is up", worker)
    jobs.start()
    reporting.start()
    try:
        line.run()
    finally:
        reporting.stop()
        jobs.stop()
        teller.leave()
        line.close()
        cases.close()
        in_force.close()
        series.close()
        state.close()
    return 0


def _cases(config: CloudConfig, line: Line, state: State, in_force: InForce[Ruling]) -> CaseLine:
    return CaseLine(
        line,
        state,
        Accounts(state, config.centre),
        centre=config.centre,
        owner=lambda: in_force.current().owner,
        rights=lambda: in_force.current().rights,
    )


def _report(worker: str, line: Line, cases: CaseLine, jobs: Jobs) -> None:
    """The heartbeat in the log: that it lives, what it did, what troubles it."""
    broker = "up" if line.up else "away"
    log.info("worker %s: broker %s, %s, trouble %s", worker, broker, cases.counts, jobs.trouble)


def _case_jobs(cases: CaseLine) -> list[Job]:
    """What staff wait for: short pauses after a failure, and every worker does it."""
    return [
        # an alarm waits for this one when the database is back
        Job(name="cases", run=cases.serve_cases, backoff_max_s=0.3),
        Job(name="answers", run=cases.serve_answers, backoff_max_s=1.0),
        Job(name="forget-answers", run=cases.forget, every_s=HOUR_S, lease_s=HOUR_S),
    ]


def _teller(
    config: CloudConfig,
    line: Line,
    state: State,
    broker: BrokerSettings,
    in_force: InForce[Ruling],
    holder: str,
) -> DesiredTeller:
    def current() -> tuple[int, Catalogue]:
        ruling = in_force.current()
        return ruling.number, ruling.catalogue

    return DesiredTeller(line, state, broker, centre=config.centre, holder=holder, in_force=current)


def _telling(teller: DesiredTeller) -> Job:
    # the teller has a lease of its own: it must outlast the pauses, and go to who knows more
    return Job(
        name="desired", run=teller.tell, every_s=1.0, wanted=teller.wanted, backoff_max_s=5.0
    )


def _keeping_jobs(
    config: CloudConfig,
    state: State,
    series: TimeSeries,
    in_force: InForce[Ruling],
    holder: str,
) -> list[Job]:
    """What nobody waits for at a screen: one worker of the centre does each."""
    centre = config.centre
    blobs = Blobs(Path(config.blobs), state, centre=centre)
    time_zone = in_force.current().catalogue.centre.time_zone
    lake = Lake(Path(config.lake), state, centre=centre, time_zone=time_zone)
    projection = Job(
        name="project",
        run=_projection(state, series, in_force),
        every_s=1.0,
        wanted=lambda: any(dirty.read(state, centre, dataset) for dataset in (RECORDS, HEALTH)),
        lease_s=300.0,
    )
    expiry = Job(
        name="expire-pictures",
        run=_expiry(blobs, keep_days=config.snapshot_days + LOOKS_DAYS),
        every_s=HOUR_S,
        lease_s=HOUR_S,
    )
    # the roller leases its rounds by itself
    rolling = Job(name="roll", run=Roller(lake, holder=holder).roll, every_s=30.0)
    return [projection, expiry, rolling, *_anchor_jobs(config, state)]


def _expiry(blobs: Blobs, *, keep_days: int) -> Callable[[], object]:
    def run() -> None:
        now_ns = time.time_ns()
        blobs.expire(now_ns=now_ns)
        blobs.forget_looks(before_ns=now_ns - keep_days * DAY_NS)

    return run


def _tidying(config_path: Path, in_force: InForce[Ruling]) -> Job:
    time_zone = in_force.current().catalogue.centre.time_zone
    return Job(
        name="tidy-lake",
        run=lambda: tidy_apart(config_path, time_zone=time_zone),
        every_s=600.0,
        lease_s=HOUR_S,
    )


def _anchor_jobs(config: CloudConfig, state: State) -> list[Job]:
    if config.audit_head is None:
        return []
    anchor = Anchor(Path(config.audit_head))
    return [
        Job(
            name="anchor-audit",
            run=lambda: anchor.add(state, config.centre),
            every_s=60.0,
            lease_s=60.0,
        )
    ]


def _projection(
    state: State, series: TimeSeries, in_force: InForce[Ruling]
) -> Callable[[], object]:
    """Copies to scope buckets; makes those of a new catalogue before it writes to them."""
    ensured: list[Ruling] = []

    def run() -> int:
        ruling = in_force.current()
        if ruling not in ensured:
            ensure_buckets(series, ruling.catalogue)
            ensured[:] = [ruling]
        return project(state, series, ruling.catalogue)

    return run
