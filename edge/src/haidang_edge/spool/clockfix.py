"""One correction for records that were made before the clock was set, decided once per boot.

A record that has been sent is never changed: what went out as it was is remembered before it goes,
and so is the correction. Every resend, after a restart too, gives the same bytes.
"""

import logging
from pathlib import Path

import msgspec

from haidang_edge.spool.files import Files, SystemFiles
from haidang_protocols.wire.messages import ClockState
from haidang_protocols.wire.records import decode_record, encode_record
from haidang_protocols.wire.seqset import SeqSet

log = logging.getLogger(__name__)

HOLD_NS = 120_000_000_000
UNSYNCED = b'"synced":false'
BOOTS_KEPT = 16


class _Boot(msgspec.Struct):
    """What was decided for one boot: `epoch_ns` is wall time at monotonic 0, None for as it is."""

    decided: bool = False
    epoch_ns: int | None = None
    as_is: tuple[tuple[int, int], ...] = ()


class ClockFixes:
    """Renders records for sending; `None` means: hold it back for now."""

    def __init__(self, folder: Path, *, files: Files | None = None) -> None:
        """Remember decisions in `folder`."""
        self._path = folder / "clockfix.json"
        self._files: Files = files or SystemFiles()
        self._boots: dict[str, _Boot] = {}
        self._unsaved = False
        if self._path.is_file():
            self._boots = msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Boot])

    def render(self, seq: int, payload: bytes, now: ClockState, *, alarm: bool) -> bytes | None:
        """The bytes to send for a record, the same ones every time; None while it is held."""
        if UNSYNCED not in payload:
            return payload
        if self._unsaved:
            self._save()
        record = decode_record(payload)
        boot = self._boots.setdefault(record.boot, _Boot())
        if seq in SeqSet(boot.as_is):
            return payload
        if not boot.decided:
            if record.boot == now.boot and now.synced:
                self._decide(boot, epoch_ns=now.wall - now.mono)
            elif record.boot != now.boot or now.mono - record.mono >= HOLD_NS:
                self._decide(boot, epoch_ns=None)
            elif alarm:
                self._as_is(boot, seq)
                return payload
            else:
                return None
        if boot.epoch_ns is None:
            return payload
        corrected = msgspec.structs.replace(record, t=record.mono + boot.epoch_ns, synced=True)
        return encode_record(corrected)

    def _decide(self, boot: _Boot, *, epoch_ns: int | None) -> None:
        boot.decided, boot.epoch_ns = True, epoch_ns
        self._save()

    def _as_is(self, boot: _Boot, seq: int) -> None:
        sent = SeqSet(boot.as_is)
        sent.add(seq)
        boot.as_is = sent.ranges()
        self._save()

    def _save(self) -> None:
        kept = dict(list(self._boots.items())[-BOOTS_KEPT:])
        try:
            self._files.replace(self._path, msgspec.json.encode(kept))
        except OSError as error:
            # on a full disk sending goes on, since only that makes room; it is saved when it can be
            if not self._unsaved:
                log.warning("%s: cannot be saved: %s", self._path.name, error.strerror)
            self._unsaved = True
        else:
            self._unsaved = False
