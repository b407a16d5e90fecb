"""Which pages there are, and for whom."""

from dataclasses import dataclass

from haidang_cloud.console.visitor import Visitor
from haidang_protocols.catalogue.model import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A page in the navigation: whoever holds one of `rights` finds it there.

    `everywhere` asks for the right in the whole centre.
    """

    key: str
    path: str
    icon: str
    rights: tuple[Right, ...]
    everywhere: bool = False

    def open_to(self, visitor: Visitor) -> bool:
        """Whether a visitor may go there."""
        held = visitor.everywhere if self.everywhere else visitor.sees
        return any(held(right) for right in self.rights)


OVERVIEW = Way(
    key="overview",
    path="/",
    icon="space_dashboard",
    rights=(Right.CASE_READ, Right.BOARD_READ, Right.NODE_READ),
)
ALARMS = Way(key="alarms", path="/alarms", icon="notifications", rights=(Right.CASE_READ,))
CAMERAS = Way(
    key="cameras",
    path="/cameras",
    icon="videocam",
    rights=(Right.CASE_READ, Right.BOARD_READ, Right.NODE_READ),
)
NODES = Way(key="nodes", path="/nodes", icon="memory", rights=(Right.NODE_READ,))
BOARDS = Way(key="boards", path="/boards", icon="insert_chart", rights=(Right.BOARD_READ,))
AUDIT = Way(
    key="audit", path="/audit", icon="history_edu", rights=(Right.AUDIT_READ,), everywhere=True
)
FAULTS = Way(
    key="faults",
    path="/faults",
    icon="bolt",
    rights=(Right.CATALOGUE_PUBLISH,),
    everywhere=True,
)
"""Of a demo only."""
WAYS = (OVERVIEW, ALARMS, CAMERAS, NODES, BOARDS, AUDIT)
