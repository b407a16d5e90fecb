"""Reads what is stored: cases as they change; pictures, events and counts once a second.

What comes late (a node that was cut off sends its spool) is found within a minute by looking
further back; to read a thing twice changes nothing.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseShelf
from haidang_cloud.console.hub import rows
from haidang_cloud.console.hub.model import CLOSED_KEPT_MS, MINUTES, LiveModel
from haidang_cloud.errors import (
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.people import Accounts
from haidang_cloud.state import nodes
from haidang_cloud.state.bell import Bell
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import Point, TimeSeries
from haidang_cloud.timeseries.base import private_bucket

log = logging.getLogger(__name__)

PAUSE_S = 0.1
SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
OVERLAP_NS = 10 * SECOND_NS
WHOLE_S = 60.0
COUNTS_S = 5.0
COUNTS_BACK_NS = 3 * MINUTE_NS
_EVENT_TAGS = ("camera", "type", "severity", "phase", "zone", "cls")
PICTURES_S = 1.0


class StateReader:
    """Cases, births, people and pictures, from the relational database."""

    def __init__(
        self, model: LiveModel, state: State, accounts: Accounts, blobs: Blobs, *, centre: str
    ) -> None:
        """Prepare."""
        self._model, self._state, self._centre = model, state, centre
        self._accounts, self._blobs = accounts, blobs
        self._shelf = CaseShelf(state, centre)
        self._bell = Bell(state)
        self._stop = threading.Event()
        self._cases_ns = 0
        self._pictures_ns = 0
        self._pictures_s = -PICTURES_S
        self._whole_s = -WHOLE_S
        self.names: Mapping[str, str] = {}

    def run(self) -> None:
        """Read whenever the bell rings, at least once a second, until `stop`.

        The pause keeps a centre at which something is always written from being asked all the time.
        """
        while not self._stop.wait(PAUSE_S):
            try:
                self.read_once(now_ns=time.time_ns(), now_s=time.monotonic())
                self._model.set_well(database=True)
                self._bell.wait(1.0)
            except StateUnavailableError as error:
                log.warning("cases are not read: %s", error)
                self._model.set_well(database=False)
                self._stop.wait(1.0)
        self._bell.close()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()

    def read_once(self, *, now_ns: int, now_s: float) -> None:
        """Read what is new; now and then all of it."""
        if now_s - self._whole_s >= WHOLE_S:
            self._whole_s = now_s
            self._read_whole(now_ns)
        self._read_changes()
        if now_s - self._pictures_s >= PICTURES_S:
            self._pictures_s = now_s
            self._read_pictures(now_ns)

    def _read_changes(self) -> None:
        """A look back a little: of two transactions the one that began first may end last."""
        found = self._shelf.changes(self._cases_ns - OVERLAP_NS)
        self._take(found)
        if found:
            self._cases_ns = max(self._cases_ns, found[-1][1])

    def _take(self, found: Sequence[tuple[str, int]]) -> None:
        """Read those cases of which something else is known, or nothing."""
        fresh = [number for number, at in found if self._model.stamp(number) != at]
        for view in self._shelf.some(fresh):
            row = rows.case_of_view(view, self.names)
            self._model.put_case(row, stamp_ns=view.changed_ns)

    def _read_pictures(self, now_ns: int) -> None:
        for picture in self._blobs.newest(now_ns=now_ns, since_ns=self._pictures_ns):
            self._pictures_ns = max(self._pictures_ns, picture.created_ns)
            t_ms = picture.created_ns // rows.MS_NS
            self._model.put_picture(picture.camera, picture.record, t_ms=t_ms, crop=picture.crop)

    def _read_whole(self, now_ns: int) -> None:
        self.names = {one.login: one.name for one in self._accounts.everybody()}
        for born in nodes.read(self._state, self._centre):
            self._model.put_birth(born.node, born.birth, at_ns=born.seen_ns)
        # what was closed long ago is none of the wall's business
        self._cases_ns = max(self._cases_ns, now_ns - CLOSED_KEPT_MS * rows.MS_NS)
        stored = self._shelf.open_now()
        self._take(stored)
        known = {number for number, _ in stored}
        self._model.keep_cases(known, now_ms=now_ns // rows.MS_NS)


class SeriesReader:
    """Events and counts of the last hour, from the time series.

    What came late is found by a round over the hour, a minute of it each second: at a centre of
    many cameras an hour's points at once would take more memory than all that is kept of them.
    """

    def __init__(self, model: LiveModel, series: TimeSeries, *, centre: str) -> None:
        """Prepare."""
        self._model, self._series = model, series
        self._bucket = private_bucket(centre)
        self._stop = threading.Event()
        self._counts_s = -COUNTS_S
        self._looked_ns = 0

    def run(self) -> None:
        """Read once a second until `stop`."""
        while not self._stop.wait(1.0):
            try:
                self.read_once(now_ns=time.time_ns(), now_s=time.monotonic())
                self._model.set_well(series=True)
            except (StoreUnavailableError, StoreMisconfiguredError) as error:
                log.warning("events are not read: %s", error)
                self._model.set_well(series=False)
                self._looked_ns = 0

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()

    def read_once(self, *, now_ns: int, now_s: float) -> None:
        """Read the last seconds and the next minute of the round; at first the whole round."""
        at_first = self._looked_ns == 0
        self._look_back(now_ns)
        while at_first and self._looked_ns < now_ns:
            self._look_back(now_ns)
        if now_s - self._counts_s >= COUNTS_S:
            self._counts_s = now_s
            self._add_counts(now_ns - COUNTS_BACK_NS, now_ns + MINUTE_NS, now_ns)
        self._read(self._add_event, "event", now_ns - OVERLAP_NS, now_ns + MINUTE_NS, now_ns)

    def _look_back(self, now_ns: int) -> None:
        """The next minute of the round, which begins again an hour ago when it has come to now."""
        hour_ago_ns = now_ns - MINUTES * MINUTE_NS
        if self._looked_ns >= now_ns:
            self._looked_ns = hour_ago_ns
        begin_ns = max(self._looked_ns, hour_ago_ns)
        self._looked_ns = begin_ns + MINUTE_NS
        self._read(self._add_event, "event", begin_ns, self._looked_ns, now_ns)
        self._add_counts(begin_ns, self._looked_ns, now_ns)

    def _read(
        self,
        take: Callable[[Point, int], None],
        measurement: str,
        begin_ns: int,
        end_ns: int,
        now_ns: int,
    ) -> None:
        points = self._series.read(self._bucket, measurement, from_ns=begin_ns, to_ns=end_ns)
        # by time, not by series: the newest stand last in the list that viewers read
        for point in sorted(points, key=lambda point: point.t):
            take(point, now_ns // rows.MS_NS)

    def _add_event(self, point: Point, now_ms: int) -> None:
        tags, fields = point.tags, point.fields
        # thousands are kept, of few cameras and rules
        rule = sys.intern(str(fields.get("rule", "")))
        named = {name: sys.intern(tags.get(name, "")) for name in _EVENT_TAGS}
        row = rows.EventRow(
            id=str(fields.get("id", "")),
            t=point.t // rows.MS_NS,
            rule=rule,
            alarm=bool(fields.get("alarm", False)),
            **named,
        )
        self._model.add_event(row, now_ms=now_ms)

    def _add_counts(self, begin_ns: int, end_ns: int, now_ns: int) -> None:
        """The mean of all classes together, by camera, zone and interval."""
        sums: dict[tuple[str, str, int], float] = {}

        def take(point: Point, _now_ms: int) -> None:
            key = (point.tags.get("camera", ""), point.tags.get("zone", ""), point.t)
            sums[key] = sums.get(key, 0.0) + float(point.fields.get("mean", 0.0))

        self._read(take, "observation", begin_ns, end_ns, now_ns)
        for (camera, zone, t), mean in sums.items():
            self._model.set_seen(
                camera,
                zone,
                t_ms=t // rows.MS_NS,
                mean=round(mean, 2),
                now_ms=now_ns // rows.MS_NS,
            )
