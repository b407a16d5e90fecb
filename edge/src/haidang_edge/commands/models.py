"""`haidang node models`: puts models on the node, lists them, checks that they are sound."""

import argparse
import sys
from pathlib import Path

import msgspec

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--models", type=Path, default=Path("models"), help="the node's folder of models (models)"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|pull|list|verify")
    add = actions.add_parser("add", parents=[common], help="copy a model in, checked")
    add.add_argument(
        "file", type=Path, help="the model's file (.tflite), or the name of one that is shipped"
    )
    add.add_argument(
        "--manifest", type=Path, help="what it is (YAML); not needed for a model that Haidang knows"
    )
    add.add_argument("--replace", action="store_true", help="in place of one of the same name")
    pull = actions.add_parser(
        "pull", parents=[common], help="get a known model, checked by its SHA-256"
    )
    pull.add_argument("name", help="the model's name, such as ssd-mobilenet-v1-coco")
    pull.add_argument(
        "--from-dir", type=Path, metavar="DIR", help="take it from there: for a node off line"
    )
    shown = actions.add_parser("list", parents=[common], help="the models that are there")
    shown.add_argument(
        "--json",
        action="store_true",
        help="their manifests as JSON, and what each knows",
    )
    actions.add_parser(
        "verify", parents=[common], help="check hashes, and run every model on an empty picture"
    )


def _run(arguments: argparse.Namespace) -> int:
    actions = {"add": _add, "pull": _pull, "list": _list, "verify": _verify}
    return actions[arguments.action](arguments)


def _add(arguments: argparse.Namespace) -> int:
    from haidang_edge.detect import ModelStore, recipes

    file = recipes.shipped(str(arguments.file)) or arguments.file
    store = ModelStore(arguments.models)
    model = store.add(file, manifest=arguments.manifest, replace=arguments.replace)
    sys.stdout.write(f"{model.name}: {len(model.labels)} labels, {model.path}\n")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from haidang_edge.detect import ModelStore
    from haidang_edge.detect.pull import pull

    model = pull(ModelStore(arguments.models), arguments.name, folder=arguments.from_dir)
    sys.stdout.write(f"{model.name}: {len(model.labels)} labels, {model.path}\n")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from haidang_edge.detect import ModelStore

    store = ModelStore(arguments.models)
    manifests = [store.manifest(name) for name in store.list()]
    if arguments.json:
        told = [msgspec.to_builtins(m) | {"knows": store.load(m.name).labels} for m in manifests]
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return 0
    for manifest in manifests:
        size = f"{manifest.input.width}×{manifest.input.height}"
        sys.stdout.write(
            f"{manifest.name:<32} {manifest.decoder:<6} {size:<10} {manifest.licence}\n"
        )
    if not manifests:
        sys.stdout.write(f"there is no model in {arguments.models}\n")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from haidang_edge.detect import ModelError, ModelStore, open_engine

    store, bad = ModelStore(arguments.models), 0
    for name in store.list():
        try:
            open_engine(store.load(name)).close()
        except ModelError as error:
            bad += 1
            sys.stdout.write(f"{name}: {error}\n")
        else:
            sys.stdout.write(f"{name}: well\n")
    return 1 if bad else 0


MODELS = Command(
    help="add, pull, list and verify the node's models",
    configure=_configure,
    run=_run,
    examples="  haidang node models add haidang-street\n"
    "  haidang node models add ssd_mobilenet_v1_coco_quant.tflite --models models\n"
    "  haidang node models add ours.tflite --manifest ours.yaml\n"
    "  haidang node models pull ssd-mobilenet-v1-coco\n"
    "  haidang node models pull yolox-nano-coco --from-dir /media/usb\n"
    "  haidang node models list\n"
    "  haidang node models verify\n"
    "\n"
    "a manifest, ours.yaml:\n"
    "  name: ours\n"
    "  file: ours.tflite\n"
    "  sha256: (64 hex digits, by sha256sum)\n"
    "  decoder: ssd          # or yolox\n"
    "  input: {width: 320, height: 320, colour: rgb, dtype: uint8, letterbox: false}\n"
    "  classes: [person, car, motorbike]\n"
    "  min_score: 0.3\n"
    "  licence: Apache-2.0\n"
    "  source: https://…",
)
