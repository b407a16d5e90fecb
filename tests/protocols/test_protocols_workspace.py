"""The workspace: no package is forgotten, none reaches into another, names fit together."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from haidang_protocols.command.registry import GROUP

ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


MEMBERS: list[str] = read(ROOT / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]


def test_every_folder_with_a_project_is_a_member_of_the_workspace() -> None:
    assert {path.parent.name for path in ROOT.glob("*/pyproject.toml")} == set(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_package_s_names_and_sources_are_those_of_its_folder(member: str) -> None:
    project = read(ROOT / member / "pyproject.toml")
    assert project["project"]["name"] == f"haidang-{member}"
    assert (ROOT / member / "src" / f"haidang_{member}" / "py.typed").is_file()
    assert (ROOT / member / "README.md").is_file()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_package_depends_on_protocols_and_none_of_its_neighbours(member: str) -> None:
    wanted = read(ROOT / member / "pyproject.toml")["project"]["dependencies"]
    ours = {name for name in wanted if name.startswith("haidang-")}
    assert ours == (set() if member == "protocols" else {"haidang-protocols"})


def test_every_declared_command_is_there() -> None:
    found = entry_points(group=GROUP)
    declared = {
        name: value
        for member in MEMBERS
        for name, value in read(ROOT / member / "pyproject.toml")["project"]
        .get("entry-points", {})
        .get(GROUP, {})
        .items()
    }
    assert {entry.name: entry.value for entry in found} == declared
    assert all(entry.load().help for entry in found)
