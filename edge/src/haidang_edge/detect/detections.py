"""The one form of what a model saw, whatever the model."""

import numpy as np
from numpy.typing import NDArray

Detections = NDArray[np.float32]
"""One row a box, best score first: x0, y0, x1, y1 as shares of the picture (0..1), score, class.

The class is the index of its label in `Model.labels`. Any number of rows; shape (n, 6).
"""

X0, Y0, X1, Y1, SCORE, CLASS = range(6)
COLUMNS = 6


def none_seen() -> Detections:
    """No box at all."""
    return np.empty((0, COLUMNS), np.float32)
