"""The centre's connection to its broker: MQTT 3.1.1, acknowledged by hand, with TLS 1.3."""

from haidang_cloud.broker.connection import BrokerSettings, Connection, reach
from haidang_cloud.broker.line import Line

__all__ = ["BrokerSettings", "Connection", "Line", "reach"]
