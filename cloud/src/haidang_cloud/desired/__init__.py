"""What nodes are wanted to run: each is sent its part of the catalogue in force, signed."""

from haidang_cloud.desired.signing import Seal, seal_of
from haidang_cloud.desired.teller import DesiredTeller

__all__ = ["DesiredTeller", "Seal", "seal_of"]
