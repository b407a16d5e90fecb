"""Which boards a catalogue implies: panels, queries and words, whoever draws them.

A board is for one scope and asks that scope's bucket only: events and the health of nodes, never
observations. Grafana draws it, and so does the console.
"""

from haidang_protocols.boards.implied import boards
from haidang_protocols.boards.influxql import influxql
from haidang_protocols.boards.model import Board, Panel, PanelKind, Query, Section

__all__ = ["Board", "Panel", "PanelKind", "Query", "Section", "boards", "influxql"]
