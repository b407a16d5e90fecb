"""Sends viewers what changed, at most twice a second: one encoded update for each audience.

A viewer is a socket whose log-in was checked; all of one audience stand in one room, so that an
update is encoded once, however many look. Sessions are checked again and again: one that has ended
gets no more.
"""

import asyncio
import gzip
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from haidang_cloud.console.hub.model import LiveModel
from haidang_cloud.console.hub.rows import MS_NS
from haidang_cloud.console.hub.views import update
from haidang_cloud.console.ruling import Audience
from haidang_cloud.errors import StateUnavailableError

log = logging.getLogger(__name__)

LOOK_S = 0.1
PACE_S = 0.5
QUIET_S = 3.0
CHECK_S = 5.0
NEWS = "live.news"
OVER = "live.over"
AGAIN = "live.again"


class Sockets(Protocol):
    """The part of a Socket.IO server that is used here."""

    async def emit(self, event: str, data: object, *, to: str) -> None:
        """Send to a room or one socket."""

    async def enter_room(self, sid: str, room: str) -> None:
        """Let a socket hear a room."""

    async def leave_room(self, sid: str, room: str) -> None:
        """Let a socket hear it no more."""

    async def close(self, sid: str) -> None:
        """Disconnect a socket: nothing of the page's reaches it any more."""

    def alive(self, sid: str) -> bool:
        """Whether a socket is still connected."""


@dataclass(slots=True)
class Room:
    """An audience, and how far it has been told."""

    audience: Audience
    name: str = field(default_factory=lambda: f"live-{secrets.token_hex(8)}")
    seq: int = 0
    revision: int = 0
    told_s: float = 0.0
    whole: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """A socket, whose session it came with, and the room it stands in."""

    session: str
    room: Room


Known = Callable[[str], Audience | None]
"""The audience of a session's secret, None when it has ended; asks the database."""


class Caster:
    """`run` on the event loop; everything else there too."""

    def __init__(
        self,
        model: LiveModel,
        sockets: Sockets,
        known: Known,
        *,
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        """Prepare; `version` is that of the catalogue in force."""
        self._model, self._sockets, self._known = model, sockets, known
        self._version = version
        self._rooms: dict[Audience, Room] = {}
        self._viewers: dict[str, Viewer] = {}

    # --- viewers ----------------------------------------------------------------------------

    async def join(self, sid: str, session: str) -> dict[str, object]:
        """Let a socket hear its audience; says at which update that is, or that it may not."""
        audience = await asyncio.to_thread(self._known, session)
        if audience is None:
            return {"over": True}
        await self._leave(sid)
        room = self.room(audience)
        self._viewers[sid] = Viewer(session, room)
        await self._sockets.enter_room(sid, room.name)
        return {"seq": room.seq, "room": room.name}

    async def _leave(self, sid: str) -> None:
        viewer = self._viewers.pop(sid, None)
        if viewer is not None:
            await self._sockets.leave_room(sid, viewer.room.name)

    def room(self, audience: Audience) -> Room:
        """The room of an audience; a new one has been told all that is known now."""
        room = self._rooms.get(audience)
        if room is None:
            with self._model.lock:
                room = Room(audience, revision=self._model.revision)
            self._rooms[audience] = room
        return room

    def whole(self, audience: Audience) -> bytes:
        """All that an audience sees, as JSON in gzip; asked from any thread.

        It is made once for every update: many who come at once (the console has just started) get
        the same.
        """
        room = self._rooms.get(audience)
        with self._model.lock:
            seq = 0 if room is None else room.seq
            if room is not None and room.whole is not None and room.whole[0] == seq:
                return room.whole[1]
            told = update(self._model, audience, since=0, seq=seq, now_ms=time.time_ns() // MS_NS)
        packed = gzip.compress(msgspec.json.encode(told), 1)
        if room is not None:
            room.whole = (seq, packed)
        return packed

    # --- the loop ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell what is new, and look whose session has ended, until cancelled."""
        checked_s, version = time.monotonic(), self._version()
        while True:
            await asyncio.sleep(LOOK_S)
            await self.tell(pace_s=PACE_S)
            if time.monotonic() - checked_s >= CHECK_S or version != self._version():
                checked_s, version = time.monotonic(), self._version()
                await self.check()

    async def tell(self, *, pace_s: float = 0.0) -> None:
        """One round of updates; a room where nothing is new hears the time now and then.

        What comes after a quiet while is told at once; a room that was told less than `pace_s` ago
        waits.
        """
        now_s = time.monotonic()
        for room in self._occupied():
            if now_s - room.told_s < pace_s:
                continue
            told = self._news(room, quiet=now_s - room.told_s >= QUIET_S)
            if told is not None:
                room.told_s = now_s
                await self._sockets.emit(NEWS, told, to=room.name)

    def _occupied(self) -> list[Room]:
        used = {viewer.room.name: viewer.room for viewer in self._viewers.values()}
        for audience in [a for a, room in self._rooms.items() if room.name not in used]:
            del self._rooms[audience]
        return list(used.values())

    def _news(self, room: Room, *, quiet: bool) -> object | None:
        with self._model.lock:
            if self._model.revision == room.revision and not quiet:
                return None
            told = update(
                self._model,
                room.audience,
                since=room.revision,
                seq=room.seq + 1,
                now_ms=time.time_ns() // MS_NS,
            )
            room.revision = self._model.revision
        if told.empty() and not quiet:
            return None
        room.seq += 1
        rows: object = msgspec.to_builtins(told)
        return rows

    async def check(self) -> None:
        """Turn away whose session has ended; move whose rights have changed."""
        for sid in [sid for sid in self._viewers if not self._sockets.alive(sid)]:
            del self._viewers[sid]
        sessions = {viewer.session for viewer in self._viewers.values()}
        try:
            found: Mapping[str, Audience | None] = await asyncio.to_thread(self._ask, sessions)
        except StateUnavailableError as error:
            log.warning("sessions are not checked: %s", error)
            return
        for sid, viewer in list(self._viewers.items()):
            if viewer.session not in found or viewer.room.audience == found[viewer.session]:
                continue
            await self._leave(sid)
            over = found[viewer.session] is None
            await self._sockets.emit(OVER if over else AGAIN, {}, to=sid)
            if over:
                await self._sockets.close(sid)

    def _ask(self, sessions: set[str]) -> dict[str, Audience | None]:
        return {session: self._known(session) for session in sessions}
