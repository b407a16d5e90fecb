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


def answer(connection: Connection, question: bytes) -> None:
    """Send the facts and end."""
    asked = msgspec.json.decode(question, type=Question)
    connection.send_bytes(msgspec.json.encode(facts_of(asked)))
    connection.close()


def facts_of(asked: Question) -> Facts:
    """The models that the cameras need, and all that is wrong."""
    store = ModelStore(Path(asked.models))
    models: dict[str, ModelFacts] = {}
    problems: list[str] = []
    for name in sorted({camera.model for camera in asked.cameras}):
        users = [camera for camera in asked.cameras if camera.model == name]
        try:
            model = store.load(name)
        except ModelError as error:
            problems.append(str(error))
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
            problems.append(f"camera {camera.id}: {error}")
    return Facts(models=models, problems=tuple(problems))


def _misfits(model: Model, users: list[Camera], sha256: str | None) -> Iterator[str]:
    if sha256 is not None and sha256 != model.manifest.sha256:
        yield (
            f"model {model.name}: the catalogue asks for SHA-256 {sha256}, "
            f"here is {model.manifest.sha256}"
        )
    for camera in users:
        for rule in camera.rules:
            try:
                model.require((*rule.classes, *rule.release))
            except ModelError as error:
                yield f"camera {camera.id}, rule {rule.id}: {error}"
            if rule.min_score < model.manifest.min_score:
                yield (
                    f"camera {camera.id}, rule {rule.id}: min_score is {rule.min_score}; "
                    f"model {model.name} tells none below {model.manifest.min_score}"
                )
