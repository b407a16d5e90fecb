"""Detections over time into tracks: which box is the same object as before; pure, given the time.

Time is what the clock says between two looks, never a count of frames, so the same settings hold at
one look a second and at thirty.
"""

from haidang_edge.track.tracker import Track, Tracker, TrackerSettings

__all__ = ["Track", "Tracker", "TrackerSettings"]
