"""The time series: newest and fast, a projection of the lake.

One interface, two implementations (InfluxDB 2, a SQLite file), one contract suite. Everything goes
into the centre's private bucket; scope buckets are fed from it, with events only.
"""

from haidang_cloud.timeseries.base import Point, Refusal, TimeSeries
from haidang_cloud.timeseries.influx import Influx, InfluxSettings
from haidang_cloud.timeseries.sqlite import SqliteSeries

__all__ = ["Influx", "InfluxSettings", "Point", "Refusal", "SqliteSeries", "TimeSeries"]
