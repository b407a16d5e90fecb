"""Takes what nodes send and makes it the centre's: outbox, archive, time series, ledger, watermark.

The order of work is the promise: each step may be repeated, none is skipped, and a node hears
"stored" only after all of them. This room judges whether a message can be taken; what an alarm
means is not its business.
"""

from haidang_cloud.ingest.directory import Directory
from haidang_cloud.ingest.judge import Judge
from haidang_cloud.ingest.worker import IngestWorker, WorkerSettings

__all__ = ["Directory", "IngestWorker", "Judge", "WorkerSettings"]
