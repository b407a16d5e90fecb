"""Puts the API together."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from haidang_cloud.api import alerts, centre, sessions
from haidang_cloud.api.parts import Parts
from haidang_cloud.api.rim import Rim
from haidang_cloud.web import problems

DESCRIPTION = (
    "The centre's API. Log in by `POST /api/v1/session` (a cookie), or send "
    "`Authorization: Bearer hd_…`. Errors are `application/problem+json` (RFC 9457); times are UTC."
)


def make_app(parts: Parts) -> FastAPI:
    """The app for one centre; it holds nothing that `parts` does not."""
    app = FastAPI(
        title="Haidang",
        description=DESCRIPTION,
        version=version("haidang-cloud"),
        openapi_url="/api/v1/openapi.json",
        # they would load their scripts from elsewhere; the centre works with no internet
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.RESPONSES,
        generate_unique_id_function=_name_of,
    )
    app.state.parts = parts
    for router in (sessions.router, alerts.router, centre.router):
        app.include_router(router)
    problems.Problems().install(app)
    app.add_middleware(Rim)
    _complete(app)
    return app


def _name_of(route: APIRoute) -> str:
    return route.name


def _complete(app: FastAPI) -> None:
    """Add to the description what every operation's `default` answer refers to."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        found = plain()
        schemas = found["components"]["schemas"]
        if "Problem" not in schemas:
            whole = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(whole.pop("$defs", {}))
            schemas["Problem"] = whole
        return found

    app.openapi = openapi  # type: ignore[method-assign]
