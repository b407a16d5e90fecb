"""`haidang boards build`, `diff` and `apply`, as a person gives them."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.grafana import Grafana
from haidang_protocols.command import main
from servers import start

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"


@dataclass
class Desk:
    """The files that an administrator has beside them."""

    folder: Path
    grafana: Grafana

    def words(self, command: str, *more: str, url: str = "") -> list[str]:
        return [
            "boards",
            command,
            str(MINIMAL),
            "--grafana",
            url or self.grafana.url,
            "--datasources",
            str(self.folder / "datasources.json"),
            "--user-file",
            str(self.folder / "user"),
            "--password-file",
            str(self.folder / "password"),
            *more,
        ]


@pytest.fixture
def desk(tmp_path: Path, stand_in: Grafana) -> Desk:
    sources = {
        scope: {
            "url": "http://influxdb:8086",
            "org": "haidang",
            "bucket": f"demo-scope-{scope}",
            "database": f"demo-scope-{scope}",
            "token": f"token-of-{scope}",
        }
        for scope in ("centre", "city")
    }
    (tmp_path / "datasources.json").write_text(json.dumps(sources))
    (tmp_path / "user").write_text("admin\n")
    (tmp_path / "password").write_text("admin-secret\n")
    return Desk(tmp_path, stand_in)


def test_build_writes_a_file_for_each_board_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["boards", "build", str(MINIMAL), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    files = sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.rglob("*.json"))
    assert files == [
        "centre/nodes.json",
        "centre/security.json",
        "city/nodes.json",
        "city/security.json",
    ]
    said = capsys.readouterr().out
    assert said.count("write ") == 4
    assert main(words) == 0
    assert capsys.readouterr().out == f"4 boards in {tmp_path / 'out'}\n"


def test_build_removes_what_it_wrote_before_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["boards", "build", str(MINIMAL), "--out", str(out)]
    main(words)
    former = out / "harbour" / "security.json"
    former.parent.mkdir()
    former.write_bytes((out / "city" / "security.json").read_bytes())
    for name, text in (("own.json", '{"tags": ["mine"]}'), ("none.json", "{"), ("list.json", "[]")):
        (out / "city" / name).write_text(text)
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"remove {former}"
    assert sorted(path.name for path in (out / "city").iterdir()) == [
        "list.json",
        "nodes.json",
        "none.json",
        "own.json",
        "security.json",
    ]


def test_build_speaks_english_when_asked(tmp_path: Path) -> None:
    main(["boards", "build", str(MINIMAL), "--out", str(tmp_path), "--language", "en"])
    assert json.loads((tmp_path / "city/nodes.json").read_text())["title"] == (
        "Nodes and cameras · City"
    )


def test_apply_then_diff_then_apply_again(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(desk.words("diff")) == 1
    announced = capsys.readouterr().out
    assert announced.endswith("10 differ\n")
    assert main(desk.words("apply")) == 0
    assert capsys.readouterr().out == announced.replace("10 differ", "10 changed")
    assert main(desk.words("diff")) == 0
    assert capsys.readouterr().out == "nothing differs\n"
    assert main(desk.words("apply", "--prune")) == 0
    assert capsys.readouterr().out == "nothing to change\n"


def test_diff_shows_what_a_person_changed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    main(desk.words("apply"))
    board = desk.grafana.named("Thành phố [demo/city]").boards["haidang-nodes-demo-city"]
    board.versions[-1]["refresh"] = "1h"
    capsys.readouterr()
    assert main(desk.words("diff")) == 1
    said = capsys.readouterr().out
    assert "update board city/haidang-nodes-demo-city" in said
    assert '-  "refresh": "1h",' in said
    assert '+  "refresh": "30s",' in said


def test_secrets_come_from_the_environment_too(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = desk.words("apply")[:-4]
    assert main(bare) == 2
    assert "--user-file FILE is missing, and GRAFANA_USER is not set" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_USER", "admin")
    assert main(bare) == 2
    assert "--password-file FILE is missing, and GRAFANA_PASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_PASSWORD", "admin-secret")
    assert main(bare) == 0


def test_nothing_secret_is_printed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    main(desk.words("diff"))
    main(desk.words("apply"))
    (desk.folder / "password").write_text("guessed-secret")
    main(desk.words("apply"))
    said = capsys.readouterr()
    for secret in ("admin-secret", "guessed-secret", "token-of"):
        assert secret not in said.out + said.err


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("datasources.json", None, "cannot be read: No such file"),
        ("datasources.json", "{", "`haidang catalog apply` writes this file"),
        ("datasources.json", '{"city": {"url": "x"}}', "`haidang catalog apply` writes this file"),
        ("datasources.json", "{}", "the data sources lack scope centre, city; there are none"),
        ("user", None, "--user-file"),
        ("password", "", "is empty"),
        ("password", "guessed", "does not take this password of 'admin'"),
    ],
)
def test_a_mistake_is_one_sentence(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str | None,
    sentence: str,
) -> None:
    path = desk.folder / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert main(desk.words("apply")) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.startswith("haidang: ")
    assert len(said.err.splitlines()) == 1
    assert desk.grafana.writes() == []


def test_a_grafana_that_is_not_there_is_one_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = f"http://127.0.0.1:{start.free_port()}"
    assert main(desk.words("diff", url=gone)) == 2
    assert f"Grafana at {gone} cannot be reached" in capsys.readouterr().err


def test_a_catalogue_with_mistakes_changes_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("centre: {}\n")
    words = [str(bad) if word == str(MINIMAL) else word for word in desk.words("apply")]
    assert main(words) == 2
    assert "bad.yaml:1: centre.id: is missing" in capsys.readouterr().err
    assert desk.grafana.requests == []


def test_a_password_is_no_argument(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = desk.words("apply", "--password", "secret")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "unrecognized arguments: --password" in capsys.readouterr().err


def test_grafana_below_a_path_of_its_own(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.grafana.prefix = "/grafana"
    for url in (f"{desk.grafana.url}/grafana", f"{desk.grafana.url}/grafana/"):
        assert main(desk.words("apply", url=url)) == 0
    assert capsys.readouterr().out.endswith("nothing to change\n")


def test_written_files_hold_no_secret(tmp_path: Path) -> None:
    main(["boards", "build", str(MINIMAL), "--out", str(tmp_path)])
    path = tmp_path / "city" / "nodes.json"
    assert "token" not in path.read_text().lower()
