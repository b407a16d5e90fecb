"""The boards that a catalogue implies: for each scope, one for security and one for its nodes."""

from haidang_protocols.boards.model import Board
from haidang_protocols.boards.nodes import nodes_board
from haidang_protocols.boards.reach import reaches
from haidang_protocols.boards.security import security_board
from haidang_protocols.catalogue.model import Catalogue


def boards(catalogue: Catalogue) -> tuple[Board, ...]:
    """Every board, by scope; a scope without cameras or nodes has none of that kind."""
    found: list[Board] = []
    for seen in reaches(catalogue):
        if seen.cameras:
            found.append(security_board(catalogue, seen))
        if seen.nodes:
            found.append(nodes_board(catalogue, seen))
    return tuple(found)
