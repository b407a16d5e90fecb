"""The demo with somebody's own camera and model: a catalogue of one camera is written for them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from haidang_cloud.demo import programs
from haidang_cloud.demo.home import NODE, Home, shipped_catalogue
from haidang_cloud.demo.progress import Progress
from haidang_cloud.demo.servers import hidden
from haidang_cloud.demo.setting_up import Shows
from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

CAMERA, PLACE, RULE = "my-camera", "my-place", "somebody"
PASSWORD = "HAIDANG_DEMO_CAMERA_PASSWORD"  # noqa: S105  # a variable's name
MIN_SCORE = 0.5
NO_PICTURE = 1
"""How `haidang node check --json` ends when it says why."""
STREET_LABELS = ("person", "car", "motorbike", "motorcycle", "bicycle", "bus", "truck")
_ALL = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What somebody brings.

    Attributes:
        camera: an address or a file.
        model: a file, or a name that `haidang node models pull` knows.
        manifest: what the model's file is, where Haidang does not know it.
    """

    camera: str
    model: str
    manifest: Path | None = None

    def check(self, words: Words) -> None:
        """Raise `UserError` for a file that is not there."""
        looks_a_file = "/" in self.model or self.model.endswith(".tflite")
        for option, path, is_file in (
            ("--camera", self.camera, _is_file(self.camera)),
            ("--model", self.model, looks_a_file),
            ("--manifest", str(self.manifest), self.manifest is not None),
        ):
            if is_file and not Path(path).expanduser().exists():
                raise UserError(words("file_gone", option=option, path=path))

    @property
    def given(self) -> dict[str, str]:
        """The options as they were given; no password stands in them."""
        camera = _whole(self.camera) if _is_file(self.camera) else hidden(self.camera)
        options = {"--camera": camera, "--model": self.model}
        if Path(self.model).expanduser().exists():
            options["--model"] = _whole(self.model)
        if self.manifest is not None:
            options["--manifest"] = _whole(str(self.manifest))
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on the node, and what it knows."""

    name: str
    labels: tuple[str, ...]
    min_score: float


def shows_own(home: Home, progress: Progress, own: Own) -> Shows:
    """Put the model on the node and write a catalogue for the camera; raises `UserError`."""
    with progress.step("step_camera"):
        _look(progress, own.camera)
    with progress.step("step_model", model=Path(own.model).name):
        known = _install(home, progress, own)
    texts = shipped_catalogue()
    centre: dict[str, Any] = yaml.safe_load(texts["centre.yaml"])
    words = {language: Words(language) for language in ("vi", "en")}
    centre["places"].append(
        {
            "id": PLACE,
            "name": {lang: text("place_own") for lang, text in words.items()},
            "kind": "spot",
            "parent": "vung-tau",
        }
    )
    centre["models"] = [{"name": known.name, "classes": list(known.labels)}]
    texts["centre.yaml"] = _dump(centre)
    texts["cameras.yaml"] = _dump({"cameras": [_camera(own.camera, known, words)]})
    return Shows(texts=texts, models=(), cameras=1)


def _look(progress: Progress, camera: str) -> None:
    """Raise `UserError`, in the language that is spoken, for a camera that gives no picture."""
    a_file = _is_file(camera) and not camera.startswith("/dev/")
    refused = "camera_file" if a_file else "camera_dark"
    check = (programs.haidang(), "node", "check", "--json", source_of(camera))
    done = progress.outcome(*check, refused=refused)
    if done.returncode == NO_PICTURE:
        from haidang_cloud.console.saying import in_words  # the wall is heavy: only who needs it
        from haidang_cloud.console.texts import texts

        told = json.loads(done.stdout)
        why, known = told["why"], texts(progress.words.language)
        reason = in_words(known, f"why.{why['code']}", why["values"]) or why["sentence"]
        raise UserError(progress.words(refused, why=f"{told['source']}: {reason}"))
    if done.returncode:
        why = done.stderr.strip().removeprefix("haidang: ")
        raise UserError(progress.words(refused, why=why))


def _install(home: Home, progress: Progress, own: Own) -> Model:
    home.models.mkdir(parents=True, exist_ok=True)

    def models(*words: str) -> str:
        command = (programs.haidang(), "node", "models", *words, "--models", str(home.models))
        return progress.run(*command, refused="model_bad")

    file = Path(own.model).expanduser()
    papers = () if own.manifest is None else ("--manifest", str(own.manifest.expanduser()))
    if file.exists() or papers:
        models("add", str(file), *papers)
    else:
        models("pull", own.model)
    models("verify")
    found = json.loads(models("list", "--json"))
    return Model(
        name=found[0]["name"],
        labels=tuple(found[0]["knows"]),
        min_score=float(found[0]["min_score"]),
    )


def _camera(source: str, model: Model, words: dict[str, Words]) -> dict[str, Any]:
    wanted = [label for label in STREET_LABELS if label in model.labels] or [model.labels[0]]
    return {
        "id": CAMERA,
        "node": NODE,
        "name": {lang: text("camera_own") for lang, text in words.items()},
        "place": PLACE,
        "source": source_of(source),
        "model": model.name,
        "observe_s": 30,
        "zones": [
            {
                "id": "all",
                "name": {lang: text("zone_own") for lang, text in words.items()},
                "polygon": _ALL,
            }
        ],
        "rules": [
            {
                "id": RULE,
                "kind": "intrusion",
                "name": {lang: text("rule_own", label=wanted[0]) for lang, text in words.items()},
                "zone": "all",
                "classes": wanted[:1],
                "min_score": max(MIN_SCORE, model.min_score),
                "after_s": 1,
                "severity": "warning",
                "alarm": True,
            }
        ],
    }


def source_of(camera: str) -> str:
    """A camera as a catalogue names it: no password stands in it, no path depends on a folder.

    A password in the address is handed to whom the demo starts by their environment instead.
    """
    if _is_file(camera):
        return _whole(camera)
    password = urlsplit(camera).password
    if not password:
        return camera
    os.environ[PASSWORD] = unquote(password)
    return camera.replace(f":{password}@", f":${{{PASSWORD}}}@", 1)


def _whole(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _is_file(camera: str) -> bool:
    return "://" not in camera and not camera.startswith("street:")


def _dump(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
