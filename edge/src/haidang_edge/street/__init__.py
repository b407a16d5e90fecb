"""A street that can be computed: rendered cameras for the demo, for training, and for tests.

What is seen at a moment is a function of view, seed and time, and its exact truth comes with it: no
picture of a person is needed to show, to train or to test. It is a drawing and claims no more.
"""

from haidang_edge.street.scene import Light, Street, StreetSettings, Truth
from haidang_edge.street.views import VIEWS

CLASSES = ("person", "car", "motorbike", "fire", "smoke")

__all__ = ["CLASSES", "VIEWS", "Light", "Street", "StreetSettings", "Truth"]
