"""What the API and the console share of HTTP: the rooms below, who asks, log-in, problems."""

from haidang_cloud.web.asking import Asker, Ruling
from haidang_cloud.web.rooms import Rooms

__all__ = ["Asker", "Rooms", "Ruling"]
