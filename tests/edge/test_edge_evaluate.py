"""`haidang node evaluate`: what it tells, and what it says when it cannot."""

import json
from pathlib import Path

import pytest

from haidang_edge.detect import ModelStore
from haidang_protocols.command import main

SSD = "ssd-mobilenet-v1-coco"


@pytest.fixture(scope="module")
def models(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    ModelStore(folder).add(data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite")
    return folder


def evaluate(
    models: Path, *words: object, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    code = main(
        ["node", "evaluate", "--model", SSD, "--models", str(models), *(str(w) for w in words)]
    )
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_clip_is_told_picture_by_picture(
    models: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = data_dir / "video" / "person_bicycle_car.gif"
    words = ("--clip", clip, "--min-score", "0.5")
    code, out, _ = evaluate(models, *words, "--json", capsys=capsys)
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["frame"] for line in lines] == list(range(41))
    assert [line["pts_s"] for line in lines] == sorted(line["pts_s"] for line in lines)
    told = [d for line in lines for d in line["detections"]]
    assert "car" in {d["label"] for d in told}
    for one in told:
        x0, y0, x1, y1 = one["box"]
        assert 0 <= x0 <= x1 <= 1
        assert 0 <= y0 <= y1 <= 1
        assert 0.5 <= one["score"] <= 1
    code, out, _ = evaluate(models, *words, capsys=capsys)
    assert "car 0." in out


def test_annotated_pictures_give_a_mean_precision(
    models: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((data_dir / "coco" / "instances.json").read_bytes())
    truth["images"] = truth["images"][:3]
    kept = {image["id"] for image in truth["images"]}
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in kept]
    few = tmp_path / "few.json"
    few.write_text(json.dumps(truth))
    words = ("--images", data_dir / "coco" / "images", "--annotations", few)
    code, out, _ = evaluate(models, *words, "--json", capsys=capsys)
    result = json.loads(out)
    assert (code, result["model"], result["images"]) == (0, SSD, 3)
    assert 0 < result["map"] <= result["ap50"] <= 1
    code, out, _ = evaluate(models, *words, capsys=capsys)
    assert out == f"{SSD} on 3 pictures: mAP {result['map']:.3f}, AP50 {result['ap50']:.3f}\n"
    code, out, _ = evaluate(models, *words, "--json", "--min-score", "1", capsys=capsys)
    assert json.loads(out)["map"] == 0.0


def test_what_cannot_be_evaluated_is_a_clear_sentence(
    models: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, empty, alien = (tmp_path / name for name in ("broken.json", "empty.json", "alien.json"))
    broken.write_text("{")
    empty.write_text('{"images": [], "annotations": [], "categories": []}')
    alien.write_text(
        '{"images": [{"id": 1, "file_name": "none.jpg", "width": 1, "height": 1}],'
        '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1],'
        '"area": 1, "iscrowd": 0}], "categories": [{"id": 1, "name": "unicorn"}]}'
    )
    lost = tmp_path / "lost.json"
    lost.write_text(alien.read_text().replace("unicorn", "person"))
    images, none = tmp_path, tmp_path / "none.json"
    cases: list[tuple[tuple[object, ...], str]] = [
        ((), "give either --clip FILE, or both --images FOLDER and --annotations FILE"),
        (("--images", images), "give either --clip FILE, or both"),
        (("--clip", tmp_path / "no.mp4"), "no.mp4: there is no such file"),
        (("--images", images, "--annotations", none), "none.json: No such file or directory"),
        (("--images", images, "--annotations", broken), "broken.json: is no COCO instances file"),
        (("--images", images, "--annotations", empty), "empty.json: has no images"),
        (("--images", images, "--annotations", alien), "none of its categories is a label of"),
        (("--images", images, "--annotations", lost), "none.jpg: there is no such file"),
    ]
    for words, sentence in cases:
        code, out, err = evaluate(models, *words, capsys=capsys)
        assert (code, out) == (2, ""), words
        assert sentence in err
        assert "Traceback" not in err


def test_a_score_beyond_one_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate(models, "--clip", "x", "--min-score", "50", capsys=capsys)
    assert "50 is not from 0 to 1" in capsys.readouterr().err
