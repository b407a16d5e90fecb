"""InfluxDB 2.7 over its HTTP API: writes as line protocol, reads as InfluxQL.

What an answer to a write means (research on 2.7.12): 204 stored; 400 a line does not parse, nothing
of the batch was stored; 422 some lines were refused, the rest is stored; 413 too much at once;
401, 403, 404 a person must mend it; 429 and 5xx later again. A time-out says nothing: the same
bytes again are harmless.
"""

import contextlib
import gzip
import http.client
import threading
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from haidang_cloud.errors import StoreMisconfiguredError, StoreUnavailableError
from haidang_cloud.timeseries.base import Point, Refusal

STORED = 204
REFUSED = frozenset({400, 422})
TOO_LARGE = 413
MISCONFIGURED = frozenset({401, 403, 404})
RETRY_AFTER_MAX_S = 300.0
CHUNK_POINTS = 10_000
_HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxSettings:
    """Where the server is; the token may write the centre's buckets and make new ones."""

    url: str
    org: str
    token: str
    timeout_s: float = 30.0
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_s: float


class Influx:
    """See the module; one connection a thread."""

    def __init__(self, settings: InfluxSettings) -> None:
        """Prepare; nothing is sent yet."""
        self._settings = settings
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._org_id = ""

    # --- the interface ----------------------------------------------------------------------

    def ensure(self, bucket: str, *, retention_s: int = 0) -> None:
        """See `TimeSeries`."""
        if self._bucket_id(bucket):
            return
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        wanted = {"orgID": self._org(), "name": bucket, "retentionRules": rules}
        answer = self._ask("POST", "/api/v2/buckets", wanted)
        if answer.status != 201 and not self._bucket_id(bucket):
            raise _failure(f"bucket {bucket!r}", answer)

    def drop(self, bucket: str) -> None:
        """See `TimeSeries`."""
        found = self._bucket_id(bucket)
        if found:
            answer = self._ask("DELETE", f"/api/v2/buckets/{found}")
            if answer.status != STORED:
                raise _failure(f"bucket {bucket!r}", answer)

    def read_token(self, bucket: str) -> str:
        """See `TimeSeries`; the same token as long as it is there, active, and of this bucket."""
        number = self._bucket_id(bucket)
        if not number:
            raise StoreMisconfiguredError(f"InfluxDB has no bucket {bucket!r}")
        label = f"haidang read {bucket}"
        query = urllib.parse.urlencode({"org": self._settings.org})
        known = self._json("GET", f"/api/v2/authorizations?{query}")["authorizations"]
        for found in known:
            # one of a bucket that was dropped opens nothing, though the name is the same
            reads = [p["resource"].get("id") for p in found["permissions"]]
            if found["description"] == label and found["status"] == "active" and reads == [number]:
                return str(found["token"])
        resource = {"type": "buckets", "orgID": self._org(), "id": number}
        wanted = {
            "orgID": self._org(),
            "description": label,
            "permissions": [{"action": "read", "resource": resource}],
        }
        return str(self._json("POST", "/api/v2/authorizations", wanted)["token"])

    def write(self, bucket: str, lines: Sequence[bytes]) -> list[Refusal]:
        """See `TimeSeries`."""
        path = "/api/v2/write?" + urllib.parse.urlencode(
            {"org": self._settings.org, "bucket": bucket, "precision": "ns"}
        )
        return self._write(path, lines, 0) if lines else []

    def read(
        self,
        bucket: str,
        measurement: str,
        *,
        from_ns: int = 0,
        to_ns: int = 2**62,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Point]:
        """See `TimeSeries`."""
        where = [f"time >= {from_ns}", f"time <= {to_ns}"]
        where += [f"{_name(k)} = {_literal(v)}" for k, v in (tags or {}).items()]
        query = f"SELECT * FROM {_name(measurement)} WHERE {' AND '.join(where)} GROUP BY *"  # noqa: S608
        for series in self._stream(bucket, query):
            columns = series["columns"][1:]
            # GROUP BY * leaves an empty tag for those that a series does not have
            named = {k: v for k, v in series.get("tags", {}).items() if v}
            for stamp, *values in series["values"]:
                fields = {k: v for k, v in zip(columns, values, strict=True) if v is not None}
                yield Point(measurement=measurement, tags=named, t=stamp, fields=fields)

    def count(self, bucket: str, measurement: str, field: str) -> int:
        """See `TimeSeries`."""
        query = f"SELECT count({_name(field)}) FROM {_name(measurement)}"  # noqa: S608  # quoted
        found = self.query(bucket, query)
        return int(found[0]["values"][0][1]) if found else 0

    def close(self) -> None:
        """See `TimeSeries`."""
        for connection in self._open:
            connection.close()
        self._open.clear()

    def query(self, bucket: str, query: str) -> list[Any]:
        """The series that an InfluxQL query gives."""
        path = "/query?" + urllib.parse.urlencode({"db": bucket, "q": query, "epoch": "ns"})
        answer = self._ask("GET", path)
        if answer.status != 200:
            raise _failure("/query", answer)
        return _series_of(query, answer.body)

    def _stream(self, bucket: str, query: str) -> Iterator[Any]:
        """The series that an InfluxQL query gives, in pieces, so that a year fits in memory.

        It has a connection of its own: its caller may write while it reads.
        """
        asked = {"db": bucket, "q": query, "epoch": "ns", "chunked": "true"}
        path = "/query?" + urllib.parse.urlencode({**asked, "chunk_size": CHUNK_POINTS})
        with contextlib.closing(self._connect()) as connection:
            try:
                connection.request("GET", path, headers=self._headers())
                response = connection.getresponse()
                if response.status != 200:
                    raise _failure("/query", _Answer(response.status, response.read(), 0.0))
                while line := response.readline():
                    yield from _series_of(query, line)
            except (OSError, http.client.HTTPException) as error:
                raise self._away(error) from error

    # --- writing ----------------------------------------------------------------------------

    def _write(self, path: str, lines: Sequence[bytes], first: int) -> list[Refusal]:
        """Write; halve what is refused until the lines that are at fault stand alone."""
        answer = self._send("POST", path, b"\n".join(lines), packed=self._settings.gzip)
        if answer.status == STORED:
            return []
        if answer.status in REFUSED or answer.status == TOO_LARGE:
            if len(lines) == 1:
                return [Refusal(first, f"{answer.status}: {_words(answer)}")]
            half = len(lines) // 2
            left = self._write(path, lines[:half], first)
            return left + self._write(path, lines[half:], first + half)
        raise _failure("write", answer)

    # --- HTTP -------------------------------------------------------------------------------

    def _send(
        self, method: str, path: str, body: bytes | None = None, *, packed: bool = False
    ) -> _Answer:
        headers = self._headers()
        if packed and body is not None:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        if body is not None:
            headers["Content-Type"] = "application/json" if body[:1] == b"{" else "text/plain"
        connection = self._connection()
        kept = connection.sock is not None
        try:
            return _exchange(connection, method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if not (kept and isinstance(error, _HUNG_UP)):
                raise self._away(error) from error
        # a server ends a connection that was idle for long: that is no outage
        try:
            return _exchange(connection, method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._away(error) from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._settings.token}"}

    def _away(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"InfluxDB at {self._settings.url}: {error or type(error).__name__}"
        )

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
            self._open.append(found)
        return found

    def _connect(self) -> http.client.HTTPConnection:
        url = urllib.parse.urlsplit(self._settings.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        return kind(url.hostname or "", url.port, timeout=self._settings.timeout_s)

    def _ask(self, method: str, path: str, content: object = None) -> _Answer:
        body = None if content is None else msgspec.json.encode(content)
        return self._send(method, path, body)

    def _json(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401
        answer = self._ask(method, path, content)
        if answer.status not in (200, 201):
            raise _failure(path.partition("?")[0], answer)
        return msgspec.json.decode(answer.body)

    def _org(self) -> str:
        if not self._org_id:
            query = urllib.parse.urlencode({"org": self._settings.org})
            found = self._json("GET", f"/api/v2/orgs?{query}")["orgs"]
            if not found:
                raise StoreMisconfiguredError(
                    f"InfluxDB has no organisation {self._settings.org!r}"
                )
            self._org_id = str(found[0]["id"])
        return self._org_id

    def _bucket_id(self, bucket: str) -> str:
        query = urllib.parse.urlencode({"org": self._settings.org, "name": bucket})
        answer = self._ask("GET", f"/api/v2/buckets?{query}")
        if answer.status == 404:
            return ""
        if answer.status != 200:
            raise _failure(f"bucket {bucket!r}", answer)
        found = msgspec.json.decode(answer.body)["buckets"]
        return str(found[0]["id"]) if found else ""


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> _Answer:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    read = response.read()
    return _Answer(response.status, read, _seconds(response.getheader("Retry-After")))


def _series_of(query: str, body: bytes) -> list[Any]:
    (result,) = msgspec.json.decode(body)["results"]
    if "error" in result:
        raise StoreMisconfiguredError(f"query {query!r}: {result['error']}")
    return list(result.get("series", ()))


def _failure(what: str, answer: _Answer) -> StoreUnavailableError | StoreMisconfiguredError:
    said = f"InfluxDB, {what}: {answer.status} {_words(answer)}"
    if answer.status in MISCONFIGURED:
        return StoreMisconfiguredError(said)
    return StoreUnavailableError(said, retry_after_s=answer.retry_after_s)


def _words(answer: _Answer) -> str:
    try:
        return str(msgspec.json.decode(answer.body)["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return answer.body[:300].decode(errors="replace")


def _seconds(header: str | None) -> float:
    try:
        return min(max(0.0, float(header or 0)), RETRY_AFTER_MAX_S)
    except ValueError:
        return 0.0


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
