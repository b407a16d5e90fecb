"""The live panels: Vue components that draw from the one live picture that a page holds.

Python says which panel stands where; what moves in it comes by the page's live updates, never
element by element.
"""

from nicegui.element import Element
from nicegui.elements import echart as _charts  # noqa: F401  # its module is what charts import


class Panel(Element, esm={"haidang-live": "browser/live"}):
    """A live panel; options become props of its component."""

    def __init__(self, **options: object) -> None:
        """Draw with `options`."""
        super().__init__()
        self._props.update(options)


class Frame(Panel, component="browser/panels/wall_frame.js"):
    """Header, ways to the other pages, clock, and what is wrong with the connection."""


class Tally(Panel, component="browser/panels/wall_tally.js"):
    """The four figures of the overview."""


class Sketch(Panel, component="browser/panels/wall_sketch.js"):
    """Places and cameras, drawn as a sketch."""


class Looks(Panel, component="browser/panels/wall_looks.js"):
    """What cameras have seen last."""


class Shortlist(Panel, component="browser/panels/wall_shortlist.js"):
    """The open alarms that wait for somebody."""


class Zones(Panel, component="browser/panels/wall_zones.js"):
    """Counts by zone over the last hour."""


class Feed(Panel, component="browser/panels/wall_feed.js"):
    """The last events, as they come."""


class Queue(Panel, component="browser/panels/wall_queue.js"):
    """All open alarms, with one of them in full beside."""


class Cameras(Panel, component="browser/panels/wall_cameras.js"):
    """A grid of cameras."""


class CameraView(Panel, component="browser/panels/wall_camera.js"):
    """One camera, its zones and lines over its picture."""


class Nodes(Panel, component="browser/panels/wall_nodes.js"):
    """Nodes and how they are."""


class Faults(Panel, component="browser/panels/wall_faults.js"):
    """What can be broken in a demo, and the account of what became of every record."""
