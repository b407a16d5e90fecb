"""What a camera's tracks mean: events by rules in seconds with hysteresis, and counts by interval.

Pure: tracks and time in, events and observations out. Durations are measured on the monotonic clock
alone; the wall clock decides nothing but whether a schedule is on.
"""

from haidang_edge.rules.rules import Rules, start_score
from haidang_edge.rules.schedule import Schedule

__all__ = ["Rules", "Schedule", "start_score"]
