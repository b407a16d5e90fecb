"""Feeds scope buckets from the private one: events and health of what a scope sees.

Never observations: how many people are where, minute by minute, is the centre's own.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from haidang_cloud.state import dirty
from haidang_cloud.state.database import State
from haidang_cloud.timeseries.base import TimeSeries, private_bucket, scope_bucket
from haidang_cloud.timeseries.lines import line_of
from haidang_protocols.catalogue import Catalogue

log = logging.getLogger(__name__)

RECORDS = "camera_record"
HEALTH = "node_health"
BATCH = 5000


def ensure_buckets(series: TimeSeries, catalogue: Catalogue) -> None:
    """The centre's private bucket and one for each scope."""
    centre = catalogue.centre.id
    series.ensure(private_bucket(centre))
    for scope in catalogue.scopes:
        series.ensure(scope_bucket(centre, scope.id))


def project(state: State, series: TimeSeries, catalogue: Catalogue) -> int:
    """Copy what every dirty window holds to the scopes that see its place; returns how many points.

    A window is cleared only when it was not marked again meanwhile; to copy twice is harmless.
    """
    centre = catalogue.centre.id
    copied = 0
    for dataset in (RECORDS, HEALTH):
        for window in dirty.read(state, centre, dataset):
            buckets = buckets_over(catalogue, window.place)
            for lines in batched(_lines(series, catalogue, window)):
                for bucket in buckets:
                    put(series, bucket, lines)
                copied += len(lines)
            dirty.clear(state, centre, window)
    return copied


def buckets_over(catalogue: Catalogue, place: str) -> list[str]:
    """The buckets of the scopes that see a place."""
    return [scope_bucket(catalogue.centre.id, s.id) for s in catalogue.scopes_over(place)]


def batched(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in lists that a store takes at once."""
    whole = iter(lines)
    while some := list(islice(whole, BATCH)):
        yield some


def put(series: TimeSeries, bucket: str, lines: list[bytes]) -> int:
    """Write lines that were stored before; returns how many are refused, and logs them."""
    refused = series.write(bucket, lines)
    for refusal in refused:
        log.warning("%s refused a point: %s", bucket, refusal.why)
    return len(refused)


def _lines(series: TimeSeries, catalogue: Catalogue, window: dirty.Window) -> Iterator[bytes]:
    for measurement, tags in _wanted(catalogue, window):
        points = series.read(
            private_bucket(catalogue.centre.id),
            measurement,
            from_ns=window.from_ns,
            to_ns=window.to_ns,
            tags=tags,
        )
        for point in points:
            yield line_of(point).encode()


def _wanted(catalogue: Catalogue, window: dirty.Window) -> Iterator[tuple[str, dict[str, str]]]:
    """Measurements of what stands at the window's place, and the tags that find it."""
    if window.dataset == RECORDS:
        for camera in catalogue.cameras:
            if camera.place == window.place:
                yield "event", {"camera": camera.id}
        return
    here = {site.id for site in catalogue.sites if site.place == window.place}
    for node in catalogue.nodes:
        if node.site in here:
            for measurement in ("node", "camera", "gap"):
                yield measurement, {"node": node.id}
