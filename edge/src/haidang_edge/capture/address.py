"""Where a camera is: file, stream or drawn street; secrets come from the environment, never shown.

A source is written in a catalogue, so no password stands in it: `rtsp://admin:${CAM_PASSWORD}@host/h264`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from haidang_edge.capture.drawn import SCHEME as STREET_SCHEME
from haidang_edge.capture.drawn import StreetAddress, read_street
from haidang_edge.capture.errors import SourceAddressError

DEVICES = "/dev/video"
"""What a camera on a cable is called: Video4Linux."""

LIVE_SCHEMES = ("rtsp", "rtsps")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"(?i)((?:pass|passwd|password|pwd|token|key|secret)=)[^&/_;?#]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A source that can be opened.

    Attributes:
        url: what the opener gets; never printed.
        shown: the same without user, password and query: for messages, logs and heartbeats.
        live: a stream that goes on by itself; False for a file.
        device: a camera on a cable, which is live.
        street: what is drawn, where nothing is filmed.
    """

    url: str = field(repr=False)
    shown: str
    live: bool
    device: bool = False
    street: StreetAddress | None = None

    @classmethod
    def parse(
        cls,
        source: str,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "Address":
        """Read a camera's `source`; a relative file begins at `folder`.

        Values from the environment are raw; in a URL's user part they are percent-encoded here.

        Raises:
            SourceAddressError: unknown scheme, no host, no such street, a variable that is not set.
        """
        values = os.environ if environment is None else environment
        if source.startswith(STREET_SCHEME):
            street = read_street(source, folder=folder)
            return cls(url=source, shown=source, live=False, street=street)
        found = _SCHEME.match(source)
        if found is None or found.group(1) == "file":
            path = Path(_filled(source.removeprefix("file://"), source, values, raw=True))
            path = path if folder is None else folder / path
            device = str(path).startswith(DEVICES)
            return cls(url=str(path), shown=str(path), live=device, device=device)
        scheme = found.group(1).lower()
        if scheme not in LIVE_SCHEMES:
            raise SourceAddressError(
                f"source {_shown(source)!r}: {scheme}:// is not known; "
                f"allowed: {', '.join(f'{s}://' for s in LIVE_SCHEMES)}, {STREET_SCHEME} or a file"
            )
        rest = source[found.end() :]
        authority, slash, path_ = rest.partition("/")
        user, at, host = authority.rpartition("@")
        if not host:
            raise SourceAddressError(f"source {_shown(source)!r}: there is no host in it")
        url = "".join(
            (
                f"{scheme}://",
                _filled(user, source, values, raw=False) + at,
                _filled(host, source, values, raw=True),
                slash + _filled(path_, source, values, raw=True),
            )
        )
        return cls(url=url, shown=_shown(source), live=True)


def _filled(text: str, source: str, values: Mapping[str, str], *, raw: bool) -> str:
    """`text` with its `${NAME}` replaced."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in values:
            raise SourceAddressError(
                f"source {_shown(source)!r}: the environment variable {name} is not set"
            )
        return values[name] if raw else quote(values[name], safe="")

    return _VARIABLE.sub(value, text)


def _shown(source: str) -> str:
    """`source` without whatever may be secret; `${NAME}` stays as it was written."""
    found = _SCHEME.match(source)
    if found is None:
        return source
    authority, slash, path = source[found.end() :].partition("/")
    plain = _SECRET.sub(r"\1***", path.partition("?")[0])
    return f"{found.group(0)}{authority.rpartition('@')[2]}{slash}{plain}"
