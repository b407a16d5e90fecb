"""The broker: who may do what on it, its configuration, and its administration while it runs."""

from haidang_fleet.broker.control import AdminSettings, Control
from haidang_fleet.broker.identities import Identity, Kind
from haidang_fleet.broker.roles import Client, Rights, Role

__all__ = ["AdminSettings", "Client", "Control", "Identity", "Kind", "Rights", "Role"]
