"""A fleet with its broker and its enrolment service, set up by its own commands."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.find import REPOSITORY
from servers.fleet import Fleet, make_fleet

MINIMAL = REPOSITORY / "catalog" / "minimal"


@pytest.fixture
def new_fleet(mosquitto_program: Path, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Makes fleets; all end with the test."""
    made: list[Fleet] = []

    def make(catalogue: Path = MINIMAL) -> Fleet:
        fleet = make_fleet(mosquitto_program, tmp_path / f"fleet-{len(made)}", catalogue)
        made.append(fleet)
        return fleet

    yield make
    for fleet in made:
        fleet.stop()


@pytest.fixture
def fleet(new_fleet: Callable[..., Fleet]) -> Fleet:
    """A fleet that runs."""
    made = new_fleet()
    made.broker.start()
    made.service.start()
    return made
