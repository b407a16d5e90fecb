"""The lake: the record of what came. Raw batches in an fsynced archive, rolled into Parquet.

Files are immutable; a row per file in the database is the manifest. A reader follows the manifest,
so a file that is being written, or was replaced, is never seen half.
"""

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
