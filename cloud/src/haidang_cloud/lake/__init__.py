"""The lake: the record of what came. Raw batches in an fsynced archive, rolled into Parquet.

Files are immutable; a row per file in the database is the manifest. A reader follows the manifest,
so a file that is being written, or was replaced, is never seen half.
"""

from haidang_cloud.lake.archive import Archive, ArchiveFiles, Message, SystemArchiveFiles
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
