"""Sends what is durable, again and again until the centre says that it has stored it."""

from haidang_edge.publish.publisher import Hooks, Publisher
from haidang_edge.publish.settings import BrokerSettings, Identity, Pace

__all__ = ["BrokerSettings", "Hooks", "Identity", "Pace", "Publisher"]
