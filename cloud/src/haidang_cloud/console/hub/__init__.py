"""The live picture of a centre, fed by broker, database and time series, told to many viewers."""

from haidang_cloud.console.hub.casting import Caster
from haidang_cloud.console.hub.hub import Hub
from haidang_cloud.console.hub.model import LiveModel

__all__ = ["Caster", "Hub", "LiveModel"]
