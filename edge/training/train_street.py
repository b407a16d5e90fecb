"""Trains and exports `haidang-street`: a small quantised detector that knows rendered streets.

    pip install "haidang-edge[train]"
    python edge/training/train_street.py --out build/street --steps 9000

It renders its scenes itself (`haidang_edge.street`), trains a depthwise net on the processor,
writes a full-int8 TensorFlow Lite file with the four outputs of the SSD post-process, and measures
AP50 on 300 scenes that it was not trained on (`street_scenes` draws and judges).
"""

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from street_scenes import SIZE, TEST_SEED, evaluate, render

from haidang_edge.street import CLASSES

STRIDES = (8, 16, 32)
ANCHOR_PX = (26.0, 56.0, 120.0)
"""Side of the one square anchor of each cell, by stride; the box codes are relative to it."""
LEVEL_BELOW_PX = (44.0, 92.0)
"""Longer side of a box up to which the finer level takes it."""
SCALES = np.array((10.0, 10.0, 5.0, 5.0), np.float32)
BATCH = 16
CALIBRATION = 150
"""Scenes by which the quantisation's ranges are found."""


# --- targets ----------------------------------------------------------------------------------


def anchors() -> np.ndarray:
    """(1344, 4) centre y, centre x, height, width as shares, by level, row and column."""
    parts = []
    for stride, side in zip(STRIDES, ANCHOR_PX, strict=True):
        cells = SIZE // stride
        at = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        ys, xs = np.meshgrid(at, at, indexing="ij")
        sides = np.full_like(ys, side / SIZE)
        parts.append(np.stack([ys, xs, sides, sides], -1).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)


ANCHORS = anchors()
_CELLS = np.cumsum([0] + [(SIZE // stride) ** 2 for stride in STRIDES])


def targets(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class of every anchor (-1 nothing), and its box codes."""
    classes = np.full(len(ANCHORS), -1, np.int32)
    codes = np.zeros((len(ANCHORS), 4), np.float32)
    # small ones last: where two meet in a cell, the small one would be lost elsewhere
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for y0, x0, y1, x1, cls in boxes[np.argsort(-area)]:
        height, width = y1 - y0, x1 - x0
        longer = max(height, width) * SIZE
        level = sum(longer > limit for limit in LEVEL_BELOW_PX)
        part = slice(_CELLS[level], _CELLS[level + 1])
        at = ANCHORS[part]
        cy, cx = (y0 + y1) / 2, (x0 + x1) / 2
        near = (np.abs(at[:, 0] - cy) <= 0.22 * height) & (np.abs(at[:, 1] - cx) <= 0.22 * width)
        near[np.argmin((at[:, 0] - cy) ** 2 + (at[:, 1] - cx) ** 2)] = True
        where = np.flatnonzero(near) + _CELLS[level]
        a = ANCHORS[where]
        classes[where] = int(cls)
        codes[where] = SCALES * np.stack(
            [
                (cy - a[:, 0]) / a[:, 2],
                (cx - a[:, 1]) / a[:, 3],
                np.log(np.maximum(height, 1e-4) / a[:, 2]),
                np.log(np.maximum(width, 1e-4) / a[:, 3]),
            ],
            -1,
        )
    return classes, codes


def batches(
    pictures: np.ndarray, boxes: list[np.ndarray], rnd: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Endless batches: flipped, brighter or darker, other white balance, shifted."""
    while True:
        for chosen in rnd.permutation(len(pictures))[: len(pictures) // BATCH * BATCH].reshape(
            -1, BATCH
        ):
            images, classes, codes = [], [], []
            for index in chosen:
                image, found = augmented(pictures[index], boxes[index], rnd)
                one_class, one_code = targets(found)
                images.append(image)
                classes.append(one_class)
                codes.append(one_code)
            yield np.stack(images), np.stack(classes), np.stack(codes)


def augmented(
    image: np.ndarray, found: np.ndarray, rnd: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One picture as a training step sees it, float32 0..255."""
    made = image.astype(np.float32)
    found = found.copy()
    if rnd.random() < 0.5:
        made = made[:, ::-1]
        found[:, [1, 3]] = 1.0 - found[:, [3, 1]]
    if rnd.random() < 0.5:
        made, found = _shifted(made, found, rnd)
    gain = rnd.uniform(0.75, 1.25) * rnd.uniform(0.93, 1.07, 3)
    made = made * gain.astype(np.float32) + np.float32(rnd.uniform(-12, 12))
    return np.clip(made, 0, 255).astype(np.float32), found


def _shifted(
    image: np.ndarray, found: np.ndarray, rnd: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Moved by up to an eighth, the rim repeated; what leaves the picture is cut or dropped."""
    dy, dx = (int(v) for v in rnd.integers(-SIZE // 8, SIZE // 8 + 1, 2))
    rows = np.clip(np.arange(SIZE) - dy, 0, SIZE - 1)
    columns = np.clip(np.arange(SIZE) - dx, 0, SIZE - 1)
    moved = found.copy()
    moved[:, [0, 2]] += dy / SIZE
    moved[:, [1, 3]] += dx / SIZE
    cut = moved.copy()
    cut[:, :4] = np.clip(cut[:, :4], 0.0, 1.0)
    whole = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    left = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1])
    return image[rows][:, columns], cut[left > 0.4 * np.maximum(whole, 1e-9)]


# --- the net ----------------------------------------------------------------------------------


def build() -> keras.Model:
    """A depthwise net with a small feature pyramid: picture 0..255 → class logits, box codes."""
    picture = keras.Input((SIZE, SIZE, 3), batch_size=None)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(picture)
    x = _conv(x, 16, 3, 2)
    x = _block(x, 24, 1)
    x = _block(x, 32, 2)
    x = _block(x, 32, 1)
    x = _block(x, 64, 2)
    fine = _block(_block(x, 64, 1), 64, 1)
    middle = _block(_block(_block(fine, 96, 2), 96, 1), 96, 1)
    coarse = _block(_block(middle, 128, 2), 128, 1)
    p5 = _conv(coarse, 64, 1, 1)
    p4 = layers.Add()([_conv(middle, 64, 1, 1), layers.UpSampling2D(interpolation="nearest")(p5)])
    p4 = _block(p4, 64, 1)
    p3 = layers.Add()([_conv(fine, 64, 1, 1), layers.UpSampling2D(interpolation="nearest")(p4)])
    p3 = _block(p3, 64, 1)
    logits, codes = [], []
    prior = keras.initializers.Constant(-math.log((1 - 0.01) / 0.01))
    for level in (p3, p4, p5):
        level = _block(_block(level, 64, 1), 64, 1)  # noqa: PLW2901  # the head of this level
        cls = layers.Conv2D(len(CLASSES), 1, bias_initializer=prior)(level)
        box = layers.Conv2D(4, 1)(level)
        logits.append(layers.Reshape((-1, len(CLASSES)))(cls))
        codes.append(layers.Reshape((-1, 4))(box))
    return keras.Model(picture, [layers.Concatenate(1)(logits), layers.Concatenate(1)(codes)])


def _conv(x: keras.KerasTensor, width: int, kernel: int, stride: int) -> keras.KerasTensor:
    x = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    return layers.ReLU(6.0)(x)


def _block(x: keras.KerasTensor, width: int, stride: int) -> keras.KerasTensor:
    """Depthwise, then pointwise; with a way around where the shape stays."""
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization(momentum=0.95)(y)
    y = layers.ReLU(6.0)(y)
    y = _conv(y, width, 1, 1)
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == width else y


def loss_of(logits: tf.Tensor, codes: tf.Tensor, cls: tf.Tensor, goal: tf.Tensor) -> tf.Tensor:
    """Sigmoid focal loss over all anchors plus Huber loss over those that hold something."""
    hot = tf.one_hot(cls, len(CLASSES))
    p = tf.sigmoid(logits)
    cross = tf.nn.sigmoid_cross_entropy_with_logits(hot, logits)
    agree = hot * p + (1 - hot) * (1 - p)
    alpha = hot * 0.35 + (1 - hot) * 0.65
    focal = tf.reduce_sum(alpha * tf.pow(1 - agree, 2.0) * cross)
    held = tf.cast(cls >= 0, tf.float32)
    count = tf.maximum(tf.reduce_sum(held), 1.0)
    off = tf.abs(codes - goal)
    huber = tf.where(off < 1.0, 0.5 * off * off, off - 0.5)
    return (focal + 0.5 * tf.reduce_sum(huber * held[..., None])) / count


def train(
    net: keras.Model,
    pictures: np.ndarray,
    boxes: list[np.ndarray],
    steps: int,
    peak: float,
    seed: int,
    folder: Path,
) -> None:
    """AdamW with a cosine schedule; says how it goes."""
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps, warmup_target=peak, warmup_steps=min(200, steps // 10), alpha=0.01
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=5.0)

    @tf.function(jit_compile=False)
    def step(image: tf.Tensor, cls: tf.Tensor, goal: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits, codes = net(image, training=True)
            loss = loss_of(logits, codes, cls, goal)
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        return loss

    def produce() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return batches(pictures, boxes, np.random.default_rng(seed))

    shapes = (
        tf.TensorSpec((BATCH, SIZE, SIZE, 3), tf.float32),
        tf.TensorSpec((BATCH, len(ANCHORS)), tf.int32),
        tf.TensorSpec((BATCH, len(ANCHORS), 4), tf.float32),
    )
    data = tf.data.Dataset.from_generator(produce, output_signature=shapes).prefetch(4)
    begun, mean = time.monotonic(), 0.0
    for number, (image, cls, goal) in enumerate(data.take(steps), 1):
        mean += (float(step(image, cls, goal)) - mean) / min(number, 100)
        if number % 500 == 0 or number == steps:
            net.save_weights(folder / "street.weights.h5")
        if number % 100 == 0:
            say(f"step {number}/{steps}  loss {mean:.3f}  {time.monotonic() - begun:.0f} s")


# --- export -----------------------------------------------------------------------------------


_POST = " ".join(
    [
        'name: "TFLite_Detection_PostProcess"',
        'attr { key: "max_detections" value { i: 40 } }',
        'attr { key: "max_classes_per_detection" value { i: 1 } }',
        'attr { key: "detections_per_class" value { i: 40 } }',
        'attr { key: "use_regular_nms" value { b: true } }',
        'attr { key: "nms_score_threshold" value { f: 0.05 } }',
        'attr { key: "nms_iou_threshold" value { f: 0.5 } }',
        'attr { key: "y_scale" value { f: 10.0 } }',
        'attr { key: "x_scale" value { f: 10.0 } }',
        'attr { key: "h_scale" value { f: 5.0 } }',
        'attr { key: "w_scale" value { f: 5.0 } }',
        f'attr {{ key: "num_classes" value {{ i: {len(CLASSES)} }} }}',
    ]
)


@tf.function(experimental_implements=_POST)
def _post(
    codes: tf.Tensor, scores: tf.Tensor, anchors: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Stands for the built-in op: shapes only."""
    del codes, scores, anchors
    return (
        tf.constant(0.0, tf.float32, (1, 40, 4)),
        tf.constant(0.0, tf.float32, (1, 40)),
        tf.constant(0.0, tf.float32, (1, 40)),
        tf.constant(0.0, tf.float32, (1,)),
    )


def export(net: keras.Model, pictures: np.ndarray, folder: Path) -> bytes:
    """Full-int8 TensorFlow Lite with uint8 input."""
    saved = folder / "saved_model"
    fixed = tf.constant(ANCHORS)

    def serve(picture: tf.Tensor) -> dict[str, tf.Tensor]:
        logits, codes = net(picture, training=False)
        scores = tf.sigmoid(logits)
        # the op takes class 0 for background and leaves it out
        scores = tf.concat([tf.zeros_like(scores[..., :1]), scores], -1)
        boxes, classes, best, count = _post(codes, scores, fixed)
        return {"output_0": boxes, "output_1": classes, "output_2": best, "output_3": count}

    archive = keras.export.ExportArchive()
    archive.track(net)
    archive.add_endpoint("serve", serve, [tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)])
    archive.write_out(str(saved), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.allow_custom_ops = True
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.representative_dataset = lambda: (
        [picture[None].astype(np.float32)] for picture in pictures[:CALIBRATION]
    )
    return bytes(converter.convert())


def say(text: str) -> None:
    """Progress, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Render, train, export, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/street"))
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--test-scenes", type=int, default=300)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument(
        "--weights", type=Path, help="begin with these; --steps 0 only exports them"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    say("rendering …")
    scenes = arguments.scenes if arguments.steps else CALIBRATION
    pictures, boxes = render(range(scenes), arguments.workers)
    keras.utils.set_random_seed(arguments.seed)
    net = build()
    say(f"{net.count_params()} parameters, {len(pictures)} scenes")
    if arguments.weights is not None:
        net.load_weights(arguments.weights)
    if arguments.steps:
        train(net, pictures, boxes, arguments.steps, arguments.rate, arguments.seed, arguments.out)
    model = export(net, pictures, arguments.out)
    file = arguments.out / "haidang-street.tflite"
    file.write_bytes(model)
    tested, held = render(range(TEST_SEED, TEST_SEED + arguments.test_scenes), arguments.workers)
    figures = evaluate(file, tested, held)
    figures |= {"bytes": len(model)}
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    say(json.dumps(figures, indent=2))
    say(f"{file}: {len(model)} bytes, SHA-256 {hashlib.sha256(model).hexdigest()}")


if __name__ == "__main__":
    main()
