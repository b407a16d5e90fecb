"""The pages are held to account: their commands are ones, their links lead somewhere."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from haidang_protocols.command import Command, discover
from pages import (
    PAGES,
    NotUnderstoodError,
    Shown,
    blocks,
    lines_of,
    prose,
    shown,
    spans,
    text_of,
    understand,
)
from servers.find import REPOSITORY

VIETNAMESE = [page for page in PAGES if page.startswith("docs/guides/vi/")]
_PAIR = re.compile(r"\n<!-- pair ([0-9a-f]{12}) -->\n$")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_is_one(page: str) -> None:
    for command in shown(page):
        understand(command)


@pytest.mark.parametrize("name", [" ".join(words) for words in discover()])
def test_every_example_of_a_command_is_one(name: str) -> None:
    command: Command = discover()[tuple(name.split())].load()
    examples = lines_of(command.examples)
    assert len(examples) >= len(re.findall(r"^ {2}haidang", command.examples, re.MULTILINE)) > 0
    for example in examples:
        understand(Shown(example, whole=True))


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith(".md")])
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page)):
        assert ((REPOSITORY / page).parent / target).exists(), f"{page}: {target}"


def shape(page: str) -> dict[str, object]:
    """What a page and its translation must have alike."""
    text = text_of(page)
    return {
        "headings": re.findall(r"^#+", prose(text), re.MULTILINE),
        "rows": [line.count("|") for line in text.splitlines() if line.startswith("|")],
        "blocks": blocks(text),
        "code": sorted(spans(prose(text))),
    }


@pytest.mark.parametrize("page", VIETNAMESE)
def test_a_guide_says_the_same_in_vietnamese_and_in_english(page: str) -> None:
    """Both pages end with a mark made of their words: who changes one is sent to the other."""
    english = page.replace("/vi/", "/")
    assert shape(page) == shape(english)
    words = "".join(_PAIR.sub("", text_of(one)) for one in (page, english))
    mark = hashlib.sha256(words.encode()).hexdigest()[:12]
    for one in (page, english):
        found = _PAIR.search(text_of(one))
        assert found is not None, f"{one} must end with the line <!-- pair {mark} -->"
        assert found[1] == mark, (
            f"{page} or {english} has changed: carry the change over to the other page, "
            f"then end both with <!-- pair {mark} -->"
        )


@pytest.mark.parametrize("page", ["docs/guides/guard.md", "docs/guides/vi/guard.md"])
def test_the_words_that_a_guard_reads_stand_on_the_wall(page: str) -> None:
    language = "vi" if "/vi/" in page else "en"
    folder = REPOSITORY / "cloud" / "src" / "haidang_cloud" / "console" / "words"
    known = set(yaml.safe_load((folder / f"{language}.yaml").read_text()).values())
    quoted = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", prose(text_of(page))))
    assert len(quoted) > 10
    # the page says of itself that such words stand there
    assert quoted - known <= {"italics", "nghiêng"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("haidang cloud invent --config centre.yaml", "no command"),
        ("haidang cloud ingest", "--config"),
        ("haidang node enrol --renew --colour red", "--colour"),
        ("sudo -u haidang haidang node enrol --colour red", "--colour"),
        ("haidang catalog show catalog/minimal --json | haidang fleet broker rolls", "rolls"),
        ("haidang fleet ca break --by an", "break"),
        ("make coffee", "no target 'coffee'"),
        ("make demo DEMO='--colour red'", "--colour"),
        ("docker compose -f docker-compose.moon.yml up", "no docker-compose.moon.yml"),
        ("docker compose -f docker-compose.cloud.yml run --rm moon cloud setup", "no service"),
        ("docker compose -f docker-compose.cloud.yml run desk cloud setup", "--config"),
        (".venv/bin/pytest tests/edge/test_edge_moon.py", "there is no tests/edge"),
        ("git clone x && launch it", "'launch'"),
    ],
)
def test_what_no_program_would_take_is_noticed(text: str, said: str) -> None:
    with pytest.raises(NotUnderstoodError, match=re.escape(said)):
        understand(Shown(text, whole=True))


@pytest.mark.parametrize(
    "text",
    [
        "haidang fleet ca · token · service",
        "haidang boards …",
        "haidang fleet broker roles",
        "haidang node enrol --url … --token -",
        "haidang fleet token NODE …",
    ],
)
def test_a_mention_need_not_be_whole(text: str) -> None:
    understand(Shown(text, whole=False))


@pytest.mark.parametrize(
    "text", ["haidang moon …", "haidang fleet ca · moon", "haidang node agent --colour …"]
)
def test_but_what_it_names_must_be_there(text: str) -> None:
    with pytest.raises(NotUnderstoodError):
        understand(Shown(text, whole=False))


def test_a_command_outside_of_a_marked_block_is_noticed(tmp_path: Path) -> None:
    for text in ("    make test\n", "```\nhaidang demo --lang en\n```\n", "```sh shown\n"):
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(NotUnderstoodError):
            list(shown(str(page)))
