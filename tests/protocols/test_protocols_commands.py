"""The `haidang` command: how it finds its commands, what it says, how it ends."""

import argparse
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from haidang_protocols.command import Command, DuplicateCommandError, discover, main
from haidang_protocols.command.registry import GROUP

MINIMAL = str(Path(__file__).resolve().parents[2] / "catalog" / "minimal")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_commands_are_found_by_their_words() -> None:
    found = discover([entry("b run", "m:B"), entry("a check", "m:A")])
    assert list(found) == [("a", "check"), ("b", "run")]
    assert ("catalog", "check") in discover()


def test_a_name_that_two_packages_claim_is_an_error_that_names_both() -> None:
    with pytest.raises(DuplicateCommandError, match=r"'a check' is claimed by one:A and by two:A"):
        discover([entry("a check", "one:A"), entry("a check", "two:A")])


def test_one_package_seen_twice_is_no_conflict() -> None:
    assert len(discover([entry("a", "one:A"), entry("a", "one:A")])) == 1


def test_a_command_does_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "check", MINIMAL]) == 0
    assert "no mistakes" in capsys.readouterr().out


def test_show_tells_what_stands_in_a_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "show", MINIMAL]) == 0
    assert "gate-east" in capsys.readouterr().out
    assert main(["catalog", "show", MINIMAL, "--node", "gate-1"]) == 0
    assert '"source": "clip.mp4"' in capsys.readouterr().out
    assert main(["catalog", "show", MINIMAL, "--node", "gone"]) == 2
    assert "there is no such node; known: gate-1" in capsys.readouterr().err


def test_a_person_s_mistake_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["catalog", "check", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("haidang: the catalogue has 1 mistake:")


def test_an_unknown_command_shows_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "invent"]) == 2
    said = capsys.readouterr().err
    assert "no command 'catalog invent'" in said
    assert "haidang catalog check" in said


def test_words_without_a_command_list_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog"]) == 0
    said = capsys.readouterr().out
    assert "haidang catalog check" in said
    assert "haidang boards" not in said


@pytest.mark.parametrize("name", [" ".join(words) for words in discover()])
def test_every_command_explains_itself_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Command = discover()[tuple(name.split())].load()
    assert command.help
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"usage: haidang {name}" in said
    assert f"haidang {name}" in said.partition("examples:")[2]


def test_a_wrong_argument_is_told_with_the_command_s_own_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["catalog", "check"])
    assert ended.value.code == 2
    assert "usage: haidang catalog check" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("haidang 0.")


def test_listing_the_commands_loads_nothing_heavy() -> None:
    heavy = "numpy sqlalchemy pyarrow av fastapi cryptography grafana_client ai_edge_litert"
    script = (
        "import sys\n"
        "from haidang_protocols.command import main\n"
        "code = main(['--help'])\n"
        f"found = [name for name in '{heavy}'.split() if name in sys.modules]\n"
        "sys.exit(f'loaded: {found}' if found else code)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "haidang catalog check" in ran.stdout


def test_a_reader_that_went_away_is_no_traceback() -> None:
    script = "from haidang_protocols.command import main; raise SystemExit(main())"
    words = [sys.executable, "-c", script, "catalog", "show", MINIMAL, "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


def test_a_terminal_of_another_alphabet_shows_the_letters_without_their_marks() -> None:
    said = subprocess.run(
        [Path(sys.executable).with_name("haidang"), "catalog", "show", MINIMAL],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "(Trung tam thu nghiem)" in said.stdout


def test_a_command_gets_its_own_arguments() -> None:
    parser = argparse.ArgumentParser()
    command: Command = discover()[("catalog", "show")].load()
    command.configure(parser)
    given = parser.parse_args([MINIMAL, "--json"])
    assert (str(given.catalogue), given.json, given.node) == (MINIMAL, True, None)
