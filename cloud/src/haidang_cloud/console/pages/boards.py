"""The boards that a catalogue implies, drawn from the same model as Grafana's."""

from fastapi import Request
from nicegui import ui

from haidang_cloud.console.door import Visitor
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import texts


async def fill(_parts: Parts, visitor: Visitor, _request: Request) -> None:
    """One board."""
    ui.label(texts(visitor.language)["boards.none"]).classes("nothing")
