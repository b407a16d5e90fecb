"""The durable line: what a node has seen is written and synced here before anything is sent.

Only the centre's watermark trims it. When a quota or a full disk forces a drop, the lowest class
goes first and a gap record says exactly what is missing.
"""

from haidang_edge.spool.clock import NodeClock, SystemTime, TimeSource
from haidang_edge.spool.clockfix import ClockFixes
from haidang_edge.spool.files import Files, SystemFiles
from haidang_edge.spool.reader import Kept, SpoolLook, SpoolReader
from haidang_edge.spool.spool import Entry, Spool, SpoolSettings

__all__ = [
    "ClockFixes",
    "Entry",
    "Files",
    "Kept",
    "NodeClock",
    "Spool",
    "SpoolLook",
    "SpoolReader",
    "SpoolSettings",
    "SystemFiles",
    "SystemTime",
    "TimeSource",
]
