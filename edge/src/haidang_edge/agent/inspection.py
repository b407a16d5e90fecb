"""Answers a `Question` in a child of its own: looks at models and sources, tells every problem."""

import os
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from haidang_edge.agent.facts import Facts, ModelFacts, Question
from haidang_edge.capture import Address, SourceAddressError
from haidang_edge.detect import Model, ModelError, ModelStore
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.reasons import Reason, because

SHOWN = 12
"""Hex digits by which a person tells two models apart."""


def answer(connection: Connection, question: bytes) -> None:
    """Send the facts and end."""
    asked = msgspec.json.decode(question, type=Question)
    connection.send_bytes(msgspec.json.encode(facts_of(asked)))
    connection.close()


def facts_of(asked: Question) -> Facts:
    """The models that the cameras need, and all that is wrong."""
    store = ModelStore(Path(asked.models))
    models: dict[str, ModelFacts] = {}
    problems: list[Reason] = []
    for name in sorted({camera.model for camera in asked.cameras}):
        users = [camera for camera in asked.cameras if camera.model == name]
        if name not in store.list():
            known = ", ".join(store.list()) or "none yet"
            problems.append(because("model.absent", model=name, known=known))
            continue
        try:
            model = store.load(name)
        except ModelError as error:
            problems.append(because("model.refused", why=str(error)))
            continue
        problems += _misfits(model, users, asked.hashes.get(name))
        models[name] = ModelFacts(
            name=name,
            sha256=model.manifest.sha256,
            labels=model.labels,
            width=model.manifest.input.width,
            height=model.manifest.input.height,
            letterbox=model.manifest.input.letterbox,
        )
    for camera in asked.cameras:
        try:
            Address.parse(camera.source, environment=os.environ, folder=Path(asked.source_folder))
        except SourceAddressError as error:
            problems.append(because("catalogue.source", camera=camera.id, why=str(error)))
    return Facts(models=models, problems=tuple(problems))


def _misfits(model: Model, users: list[Camera], sha256: str | None) -> Iterator[Reason]:
    found, name = model.manifest.sha256, model.name
    if sha256 is not None and sha256 != found:
        wanted = sha256[:SHOWN]
        yield because("model.other", model=name, wanted=wanted, found=found[:SHOWN])
    for camera in users:
        for rule in camera.rules:
            at = {"camera": camera.id, "rule": rule.id, "model": name}
            missing = ", ".join(model.missing((*rule.classes, *rule.release)))
            if missing:
                yield because("model.classes", **at, missing=missing, known=model.known)
            least = model.manifest.min_score
            if rule.min_score < least:
                yield because("model.faint", **at, asked=rule.min_score, least=least)
