"""The centre's HTTP API: cases, people, nodes, audit; every right is asked of `people.rights`.

Errors are RFC 9457 documents, times are UTC, secrets go out once and are never logged.
"""

from haidang_cloud.api.app import make_app
from haidang_cloud.api.parts import Parts
from haidang_cloud.web import Ruling

__all__ = ["Parts", "Ruling", "make_app"]
