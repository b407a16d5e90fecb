"""One hub a process: the live picture, and the threads that feed it."""

import threading
from collections.abc import Mapping

from haidang_cloud.blobs import Blobs
from haidang_cloud.broker import BrokerSettings
from haidang_cloud.cases import CaseView
from haidang_cloud.console.hub import rows
from haidang_cloud.console.hub.ear import Ear
from haidang_cloud.console.hub.model import LiveModel
from haidang_cloud.console.hub.reader import SeriesReader, StateReader
from haidang_cloud.people import Accounts
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import TimeSeries


class Hub:
    """See the module."""

    def __init__(
        self,
        *,
        centre: str,
        name: str,
        state: State,
        series: TimeSeries,
        accounts: Accounts,
        blobs: Blobs,
        broker: BrokerSettings,
    ) -> None:
        """Prepare; `start` lets it listen."""
        self.model = LiveModel()
        self._state = StateReader(self.model, state, accounts, blobs, centre=centre)
        self._series = SeriesReader(self.model, series, centre=centre)
        self._ear = Ear(self.model, broker, centre=centre, name=name, names=lambda: self.names)
        feeds = (self._ear, self._state, self._series)
        self._threads = [
            threading.Thread(target=feed.run, name=type(feed).__name__, daemon=True)
            for feed in feeds
        ]

    @property
    def names(self) -> Mapping[str, str]:
        """People by log-in name."""
        return self._state.names

    def start(self) -> None:
        """Begin to listen and to read."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and wait for it."""
        for feed in (self._ear, self._state, self._series):
            feed.stop()
        for thread in self._threads:
            thread.join()

    def moved(self, view: CaseView) -> rows.CaseRow:
        """A case that somebody has just moved here: others see it at the next update."""
        row = rows.case_of_view(view, self.names)
        self.model.put_case(row, stamp_ns=view.changed_ns)
        return row
