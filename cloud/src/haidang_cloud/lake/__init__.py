"""The lake: the record of what came. Raw batches in an fsynced archive, rolled into Parquet.

Files are immutable; a row per file in the database is the manifest. A reader follows the manifest,
so a file that is being written, or was replaced, is never seen half.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from haidang_cloud.lake.archive import Archive, ArchiveFiles, Message, SystemArchiveFiles

if TYPE_CHECKING:
    from haidang_cloud.lake.dataset import CAMERA_RECORD, Lake, Row
    from haidang_cloud.lake.roll import Roller

__all__ = [
    "CAMERA_RECORD",
    "Archive",
    "ArchiveFiles",
    "Lake",
    "Message",
    "Roller",
    "Row",
    "SystemArchiveFiles",
]

# Arrow's own allocator keeps what joining files took: 150 MB after eight joins, the system's 65
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

_LATER = {
    "CAMERA_RECORD": "dataset",
    "Lake": "dataset",
    "Roller": "roll",
    "Row": "dataset",
}


def __getattr__(name: str) -> object:
    """Load DuckDB and Arrow (70 MB) for those who ask: who only archives needs neither."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
