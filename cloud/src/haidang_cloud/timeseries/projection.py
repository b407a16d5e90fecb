"""Feeds scope buckets from the private one: events of a scope's cameras, never observations."""

from collections.abc import Iterable

from haidang_cloud.state import dirty
from haidang_cloud.state.database import State
from haidang_cloud.timeseries.base import TimeSeries, private_bucket, scope_bucket
from haidang_cloud.timeseries.lines import line_of
from haidang_protocols.catalogue import Catalogue

DATASET = "camera_record"
BATCH = 5000


def ensure_buckets(series: TimeSeries, catalogue: Catalogue) -> None:
    """The centre's private bucket and one for each scope."""
    centre = catalogue.centre.id
    series.ensure(private_bucket(centre))
    for scope in catalogue.scopes:
        series.ensure(scope_bucket(centre, scope.id))


def project(state: State, series: TimeSeries, catalogue: Catalogue) -> int:
    """Copy the events of every dirty window to the scopes that see its place; returns how many.

    A window is cleared only when it was not marked again meanwhile; to copy twice is harmless.
    """
    centre = catalogue.centre.id
    copied = 0
    for window in dirty.read(state, centre, DATASET):
        lines = list(_events(series, catalogue, window))
        for scope in catalogue.scopes_over(window.place):
            for at in range(0, len(lines), BATCH):
                series.write(scope_bucket(centre, scope.id), lines[at : at + BATCH])
        copied += len(lines)
        dirty.clear(state, centre, window)
    return copied


def _events(series: TimeSeries, catalogue: Catalogue, window: dirty.Window) -> Iterable[bytes]:
    for camera in catalogue.cameras:
        if camera.place != window.place:
            continue
        points = series.read(
            private_bucket(catalogue.centre.id),
            "event",
            from_ns=window.from_ns,
            to_ns=window.to_ns,
            tags={"camera": camera.id},
        )
        for point in points:
            yield line_of(point).encode()
