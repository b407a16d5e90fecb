"""The guides are held to account: what they quote is said, what they show can be read."""

import re
from pathlib import Path

import pytest
import yaml

from haidang_fleet.config import FleetConfig, load_config
from servers.find import REPOSITORY

GUIDES = [REPOSITORY / "docs" / "guides" / name for name in ("technician.md", "vi/technician.md")]
EDGE = ("edge/src/haidang_edge/enrol", "edge/src/haidang_edge/publish")
README = REPOSITORY / "fleet" / "README.md"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_every_sentence_that_the_guide_explains_is_one_that_is_said(guide: Path) -> None:
    sources = "".join(
        re.sub(r'"\s*\n\s*f?"', "", path.read_text())
        for folder in (*EDGE, "fleet/src", "protocols/src")
        for path in (REPOSITORY / folder).rglob("*.py")
    )
    [table] = [part for part in guide.read_text().split("\n## ") if "*check digits" in part]
    quoted = re.findall(r"\*([^*|]+?)\*", table)
    assert len(quoted) > 10
    for sentence in quoted:
        for part in re.split(r"…|1970-", sentence):
            assert part.strip() in sources, sentence


def test_the_configuration_that_is_shown_is_one(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "fleet.yaml").write_text(block)
    config = load_config(tmp_path / "fleet.yaml")
    assert isinstance(config, FleetConfig)
    assert config.broker_for("gate") == ("gate-broker.example", 8883)
    assert config.broker_for("elsewhere") == ("broker.example", 8883)
    assert yaml.safe_load(block)["broker"]["reload"] == list(config.broker.reload)
