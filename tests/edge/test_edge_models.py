"""Models: manifests told all their mistakes at once, a store that holds whole models or none."""

import zipfile
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import pytest

from haidang_edge.detect import ModelError, ModelStore, recipes
from haidang_edge.detect.manifest import ManifestRefusedError, read_manifest
from haidang_edge.detect.recipes import names
from haidang_protocols.command import main

GOOD = """
name: ours
file: ours.tflite
sha256: {sha256}
decoder: ssd
input: {{width: 64, height: 48}}
classes: [person, car]
licence: Apache-2.0
source: https://example.org/ours
"""


def papers(folder: Path, content: bytes = b"a model", **changes: str) -> tuple[Path, Path]:
    """A file and its manifest, outside any store."""
    folder.mkdir(exist_ok=True)
    file, manifest = folder / "given.bin", folder / "ours.yaml"
    file.write_bytes(content)
    text = GOOD.format(sha256=sha256(content).hexdigest())
    for old, new in changes.items():
        text = "\n".join(new if line.startswith(f"{old}:") else line for line in text.splitlines())
    manifest.write_text(text, encoding="utf-8")
    return file, manifest


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_a_model_is_copied_in_and_loads(store: ModelStore, tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    added = store.add(file, manifest=manifest)
    file.unlink()
    assert store.list() == ("ours",)
    loaded = store.load("ours")
    assert loaded == added
    assert loaded.path.read_bytes() == b"a model"
    assert (loaded.name, loaded.labels) == ("ours", ("person", "car"))
    assert store.verify() == {"ours": None}
    assert [p.name for p in store.folder.iterdir()] == ["ours"]


def test_the_same_again_changes_nothing_and_another_needs_to_be_asked_for(
    store: ModelStore, tmp_path: Path
) -> None:
    first, second = papers(tmp_path / "1"), papers(tmp_path / "2", b"another")
    store.add(first[0], manifest=first[1])
    store.add(first[0], manifest=first[1])
    with pytest.raises(ModelError, match="holds another one of that name; use --replace"):
        store.add(second[0], manifest=second[1])
    assert store.load("ours").path.read_bytes() == b"a model"
    store.add(second[0], manifest=second[1], replace=True)
    assert store.load("ours").path.read_bytes() == b"another"
    assert [p.name for p in store.folder.iterdir()] == ["ours"]


def test_a_file_of_another_hash_leaves_nothing_behind(store: ModelStore, tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    file.write_bytes(b"tampered")
    with pytest.raises(ModelError, match=r"ours\.tflite has SHA-256 .* but its manifest vouches"):
        store.add(file, manifest=manifest)
    assert store.list() == ()
    assert list(store.folder.iterdir()) == []


def test_a_model_that_rots_on_the_disk_is_found(store: ModelStore, tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    path = store.add(file, manifest=manifest).path
    path.chmod(0o600)
    path.write_bytes(b"a_model")
    assert "has SHA-256" in str(store.verify()["ours"])
    path.unlink()
    with pytest.raises(ModelError, match="No such file"):
        store.load("ours")


def test_a_model_that_is_not_there_is_told_with_those_that_are(
    store: ModelStore, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"model 'x' is not in .*; there are: none yet"):
        store.load("x")
    file, manifest = papers(tmp_path / "in")
    store.add(file, manifest=manifest)
    with pytest.raises(ModelError, match="there are: ours"):
        store.load("../ours")


def test_a_folder_under_another_name_is_told(store: ModelStore, tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    store.add(file, manifest=manifest)
    (store.folder / "ours").rename(store.folder / "theirs")
    with pytest.raises(ModelError, match="the name in it is 'ours', its folder is 'theirs'"):
        store.load("theirs")


def test_labels_are_read_from_inside_the_models_file(store: ModelStore, tmp_path: Path) -> None:
    file, _ = papers(tmp_path / "in", b"model bytes, then an archive")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", "person\n???\ncar\n")
    content = file.read_bytes()
    file, manifest = papers(tmp_path / "in", content, classes="labels: labels.txt")
    assert store.add(file, manifest=manifest).labels == ("person", "???", "car")
    file, manifest = papers(tmp_path / "in", content, classes="labels: words.txt")
    with pytest.raises(ModelError, match=r"labels 'words\.txt': is not in ours\.tflite"):
        store.add(file, manifest=manifest, replace=True)
    file, manifest = papers(tmp_path / "in", b"no archive", classes="labels: labels.txt")
    with pytest.raises(ModelError, match=r"labels 'labels\.txt': ours\.tflite carries no files"):
        store.add(file, manifest=manifest, replace=True)


def test_a_class_that_the_model_does_not_know_is_told_with_those_it_does(
    store: ModelStore, tmp_path: Path
) -> None:
    file, manifest = papers(tmp_path / "in", classes="classes: [person, '???', car]")
    added = store.add(file, manifest=manifest)
    assert added.missing(["car", "person"]) == []
    assert added.missing(["person", "tank", "???"]) == ["???", "tank"]
    assert added.known == "person, car"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(ModelError, match="models: "):
        ModelStore(tmp_path / "models").add(file, manifest=manifest)


# --- manifests -----------------------------------------------------------------------------------


def test_every_mistake_in_a_manifest_is_told_at_once_with_its_line() -> None:
    text = """\
name: Our Model
file: ../ours.tflite
sha256: abc
decoder: yolov8
input: {width: 8, height: 64, color: rgb, dtype: float16}
min_score: 1.5
licence: Apache-2.0
"""
    with pytest.raises(ManifestRefusedError) as refused:
        read_manifest(text, file="m.yaml")
    told = {(p.line, p.field) for p in refused.value.problems}
    assert told == {
        (1, "name"),
        (2, "file"),
        (3, "sha256"),
        (4, "decoder"),
        (5, "input.width"),
        (5, "input.color"),
        (5, "input.dtype"),
        (6, "min_score"),
        (1, "source"),
    }
    assert "m.yaml:4: decoder = 'yolov8': must be one of ssd, yolox" in str(refused.value)
    assert "did you mean colour?" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("classes: [person, car]\nlabels: labels.txt", "give either classes (a list) or labels"),
        ("min_score: 0.5", "give either classes (a list) or labels"),
        ("classes: [person, car, person]", "'person' stands 2 times"),
    ],
)
def test_fields_that_do_not_go_together_are_told(change: str, said: str) -> None:
    text = GOOD.format(sha256="a" * 64).replace("classes: [person, car]", change)
    with pytest.raises(ManifestRefusedError) as refused:
        read_manifest(text, file="m.yaml")
    assert said in str(refused.value)


def test_scaling_is_for_real_numbers_only() -> None:
    text = GOOD.format(sha256="a" * 64).replace("height: 48", "height: 48, scale: 0.5")
    with pytest.raises(ManifestRefusedError, match=r"m\.yaml:6: input\.scale: .*float32 only"):
        read_manifest(text, file="m.yaml")


@pytest.mark.parametrize("text", ["", "- a list", "{", "name: [", "just text"])
def test_what_is_no_manifest_is_told_without_a_traceback(text: str) -> None:
    with pytest.raises(ManifestRefusedError, match=r"m\.yaml:1: "):
        read_manifest(text, file="m.yaml")


# --- the command ---------------------------------------------------------------------------------


def node_models(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["node", "models", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_known_models_need_no_manifest(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--models", str(tmp_path)]
    shipped = [name for name in names() if recipes.shipped(name)]
    for file in (*sorted((data_dir / "models").glob("*.tflite")), *shipped):
        code, _, err = node_models("add", str(file), *folder, capsys=capsys)
        assert (code, err) == (0, "")
    code, out, _ = node_models("list", *folder, capsys=capsys)
    assert [line.split()[0] for line in out.splitlines()] == list(names())
    code, out, _ = node_models("list", "--json", *folder, capsys=capsys)
    assert [m["name"] for m in msgspec.json.decode(out)] == list(names())
    code, out, _ = node_models("verify", *folder, capsys=capsys)
    assert (code, out) == (0, "".join(f"{name}: well\n" for name in names()))


def test_a_model_that_is_unknown_and_one_that_is_spoilt_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, manifest = papers(tmp_path / "in")
    folder = ["--models", str(tmp_path / "models")]
    code, _, err = node_models("add", str(file), *folder, capsys=capsys)
    assert code == 2
    assert err.startswith(f"haidang: {file}: no model that Haidang knows (SHA-256 ")
    code, out, _ = node_models(
        "add", str(file), "--manifest", str(manifest), *folder, capsys=capsys
    )
    assert (code, out.split(":")[0]) == (0, "ours")
    code, out, _ = node_models("verify", *folder, capsys=capsys)
    assert code == 1
    assert out.startswith("ours: model ours: cannot be loaded")


def test_files_that_are_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = papers(tmp_path / "in")
    missing = str(tmp_path / "none")
    for words in (["add", missing], ["add", str(file), "--manifest", missing]):
        code, _, err = node_models(*words, "--models", str(tmp_path / "models"), capsys=capsys)
        assert (code, err) == (2, f"haidang: {missing}: No such file or directory\n")


def test_the_commands_are_where_the_package_says() -> None:
    found = {e.name: e for e in entry_points(group="haidang.commands")}
    for name in ("node models", "node evaluate"):
        assert found[name].load().examples


def test_a_store_is_readable_by_others(store: ModelStore, tmp_path: Path) -> None:
    file, manifest = papers(tmp_path / "in")
    added = store.add(file, manifest=manifest)
    assert added.path.parent.stat().st_mode & 0o055 == 0o055
