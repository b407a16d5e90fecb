"""How well the shipped model knows drawn streets that it was not trained on."""

import numpy as np
import pytest
from street_scenes import TEST_SEED, draw_scene, evaluate

from haidang_edge.detect import recipes


@pytest.mark.parametrize("scenes", [60, pytest.param(300, marks=pytest.mark.soak)])
def test_the_shipped_model_finds_what_is_drawn(scenes: int) -> None:
    drawn = [draw_scene(TEST_SEED + number) for number in range(scenes)]
    file = recipes.shipped("haidang-street")
    assert file is not None
    figures = evaluate(file, np.stack([p for p, _ in drawn]), [boxes for _, boxes in drawn])
    assert figures["AP50"] >= 0.85
    assert min(figures.values()) >= 0.45, figures
    assert file.stat().st_size <= 400_000
