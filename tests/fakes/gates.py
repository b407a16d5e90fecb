"""Seams of ingest that a test can hold shut, to see what happens before and after each step."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from haidang_cloud.lake import SystemArchiveFiles
from haidang_cloud.timeseries import Point, Refusal, TimeSeries


class Gate:
    """Open from the start; while shut, whoever comes waits. Counts who went through."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.waiting = 0
        self.passed = 0

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def go(self) -> None:
        self.waiting += 1
        self._open.wait()
        self.waiting -= 1
        self.passed += 1


class GatedFiles(SystemArchiveFiles):
    """Real files; each sync goes through a gate."""

    def __init__(self) -> None:
        self.gate = Gate()

    def sync(self, fd: int) -> None:
        self.gate.go()
        super().sync(fd)


class GatedSeries:
    """Real time series; each write goes through a gate, and fails while `error` is set."""

    def __init__(self, inner: TimeSeries) -> None:
        self.inner = inner
        self.gate = Gate()
        self.error: Exception | None = None
        self.tried = 0

    def ensure(self, bucket: str, *, retention_s: int = 0) -> None:
        self.inner.ensure(bucket, retention_s=retention_s)

    def drop(self, bucket: str) -> None:
        self.inner.drop(bucket)

    def read_token(self, bucket: str) -> str:
        return self.inner.read_token(bucket)

    def write(self, bucket: str, lines: Sequence[bytes]) -> list[Refusal]:
        self.gate.go()
        self.tried += 1
        if self.error is not None:
            raise self.error
        return self.inner.write(bucket, lines)

    def read(
        self,
        bucket: str,
        measurement: str,
        *,
        from_ns: int = 0,
        to_ns: int = 2**62,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Point]:
        return self.inner.read(bucket, measurement, from_ns=from_ns, to_ns=to_ns, tags=tags)

    def count(self, bucket: str, measurement: str, field: str) -> int:
        return self.inner.count(bucket, measurement, field)

    def close(self) -> None:
        self.inner.close()
