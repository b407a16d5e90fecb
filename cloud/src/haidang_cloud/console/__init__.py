"""The console: the wall that operators keep open all day, in the browser.

Pages are NiceGUI's; what moves on them are a few Vue components that share one live picture in the
browser, fed by one coalesced update for all who may see the same.
"""

from haidang_cloud.console.app import make_app
from haidang_cloud.console.hub import Hub
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.ruling import Ruling

__all__ = ["Hub", "Parts", "Ruling", "make_app"]
