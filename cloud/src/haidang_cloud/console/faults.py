"""The demo's desk, reached through the console: what to break, and what became of every record.

The demo writes its desk's address and token into a file that only its owner may read. The file is
read at each request: the demo opens its desk when everything else is up.
"""

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import fastapi
import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.console.parts import Parts
from haidang_cloud.console.visitor import Visitor, visitor_of
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import audit
from haidang_protocols.catalogue.model import Right

READ_S = 3.0
PRESS_S = 20.0
ANSWER_MAX = 256 * 1024
RIGHT = Right.CATALOGUE_PUBLISH
"""Who may change what is in force in the whole centre may break its demo."""

Name = Annotated[str, fastapi.Path(pattern="^[a-z]{1,20}$")]


class _Address(msgspec.Struct, frozen=True):
    """What the demo writes; never another machine's address."""

    url: Annotated[str, Meta(pattern=r"^http://127\.0\.0\.1:[0-9]{1,5}$")]
    token: Annotated[str, Meta(min_length=16)]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk says when it refuses."""

    code: str
    why: str
    values: dict[str, str | float] = {}


class FaultDesk:
    """Asks the desk that `file` names; raises `RefusedError`, with reason `away` when it is not."""

    def __init__(self, file: Path) -> None:
        """Nothing is asked yet."""
        self._file = file

    def look(self) -> dict[str, Any]:
        """The account, and which faults are on."""
        return {
            "account": self._ask("GET", "/api/account", timeout_s=READ_S),
            "faults": self._ask("GET", "/api/faults", timeout_s=READ_S),
        }

    def press(self, fault: str, for_s: int | None) -> None:
        """Begin a fault, for so long or as long as it lasts by itself."""
        path = f"/api/faults/{fault}" + ("" if for_s is None else f"/{for_s}")
        self._ask("POST", path, timeout_s=PRESS_S)

    def _ask(self, method: str, path: str, *, timeout_s: float) -> Any:  # noqa: ANN401  # JSON
        address = self._address()
        request = urllib.request.Request(address.url + path, method=method)  # noqa: S310  # loopback
        request.add_header("Authorization", f"Bearer {address.token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                return json.loads(answer.read(ANSWER_MAX))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.read(ANSWER_MAX)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RefusedError("away.desk", f"the demo's desk does not answer: {error}") from error

    def _address(self) -> _Address:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Address)
        except (OSError, msgspec.MsgspecError) as error:
            raise RefusedError(
                "away.desk_closed", "the demo has not opened its desk yet"
            ) from error


def _refusal(body: bytes) -> RefusedError:
    """What the desk refuses, in its own words."""
    try:
        told = msgspec.json.decode(body, type=Refusal)
    except msgspec.MsgspecError as error:
        return RefusedError("away.desk", f"the demo's desk cannot be understood: {error}")
    return RefusedError(told.code, told.why, **told.values)


class Wanted(BaseModel):
    """For how many seconds a fault lasts; none: as long as it lasts by itself."""

    model_config = ConfigDict(extra="forbid")

    for_s: Annotated[int, Field(ge=1, le=600)] | None = None


def fault_routes(parts: Parts, desk: FaultDesk) -> APIRouter:
    """The routes; all of them are behind the door, and for those with `RIGHT` in the centre."""
    router = APIRouter(prefix="/live/faults")

    @router.get("")
    def look(request: Request) -> dict[str, Any]:
        """The account, and which faults are on."""
        visitor_of(request).demand(RIGHT)
        return desk.look()

    @router.post("/{fault}", status_code=204)
    def press(request: Request, fault: Name, wanted: Wanted) -> None:
        """Begin a fault; who did is in the audit log before it begins."""
        visitor = visitor_of(request)
        visitor.demand(RIGHT)
        _note(parts, visitor, fault, wanted)
        desk.press(fault, wanted.for_s)

    return router


def _note(parts: Parts, visitor: Visitor, fault: str, wanted: Wanted) -> None:
    with parts.state.write() as connection:
        audit.write(
            parts.state,
            connection,
            parts.centre,
            actor=visitor.person.login,
            action="demo.fault",
            about=f"fault/{fault}",
            detail={} if wanted.for_s is None else {"for_s": wanted.for_s},
            now_ns=parts.now_ns(),
        )
