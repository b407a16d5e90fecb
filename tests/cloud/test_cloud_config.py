"""The centre's configuration: every mistake at once, paths from the file, secrets from files."""

from pathlib import Path

import pytest

from haidang_cloud.errors import CloudConfigError
from haidang_cloud.processes.config import (
    CloudConfig,
    InfluxConfig,
    SqliteConfig,
    broker_of,
    load_config,
    read_secret,
    series_of,
)
from haidang_cloud.timeseries import Influx, SqliteSeries

GOOD = """
centre: demo
state: sqlite:///state.sqlite
timeseries: {kind: sqlite, path: series.sqlite}
lake: lake
blobs: /var/lib/haidang/blobs
"""


def load(folder: Path, text: str) -> CloudConfig:
    path = folder / "centre.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_paths_begin_at_the_file_whatever_the_working_folder(tmp_path: Path) -> None:
    more = (
        "catalogue: ../catalogue\naudit_head: head\ndatasources: secret/d.json\n"
        "broker: {ca: ca.pem, cert: '{process}.pem', key: keys/{process}.pem}\n"
    )
    config = load(tmp_path, GOOD + more.replace("keys/{process}.pem", "'keys/{process}.pem'"))
    assert config.state == f"sqlite:///{tmp_path}/state.sqlite"
    assert config.timeseries == SqliteConfig(path=f"{tmp_path}/series.sqlite")
    assert config.lake == f"{tmp_path}/lake"
    assert config.blobs == "/var/lib/haidang/blobs"
    assert config.catalogue == f"{tmp_path}/../catalogue"
    assert config.audit_head == f"{tmp_path}/head"
    assert config.datasources == f"{tmp_path}/secret/d.json"
    broker = broker_of(config, process="ingest.w1")
    assert broker.ca == tmp_path / "ca.pem"
    assert broker.cert == tmp_path / "ingest.w1.pem"
    assert broker.key == tmp_path / "keys" / "ingest.w1.pem"


@pytest.mark.parametrize(
    "state", ["sqlite:////srv/state.sqlite", "postgresql+psycopg://h@127.0.0.1/haidang"]
)
def test_addresses_that_are_whole_stay_as_they_are(tmp_path: Path, state: str) -> None:
    assert load(tmp_path, GOOD.replace("sqlite:///state.sqlite", state)).state == state


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(CloudConfigError) as caught:
        load(
            tmp_path,
            "centre: Bà Rịa\n"
            "state: 7\n"
            "timeseries: {kind: influx, url: http://x, org: o, token: secret}\n"
            "lake: lake\n"
            "broker: {port: 99999, plian: true}\n"
            "snapshot_days: 0\n"
            "broker_roles: haidang\n"
            "colour: red\n",
        )
    said = str(caught.value)
    for line, words in (
        (1, "centre = 'Bà Rịa'"),
        (3, "timeseries.token = 'token': unknown key"),
        (3, "timeseries.token_file: is missing"),
        (5, "broker.port = '99999'"),
        (5, "did you mean plain?"),
        (6, "snapshot_days = '0'"),
        (7, "broker_roles = 'haidang': must be a list"),
        (8, "colour = 'colour': unknown key"),
        (1, "blobs: is missing"),
    ):
        # what is shown is the key: its value may be a secret in the wrong place
        assert any(words in row and f":{line}:" in row for row in said.splitlines()), (words, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("centre: [", "no YAML"),
        ("- a\n- b\n", "must be a mapping"),
        (GOOD.replace("kind: sqlite", "kind: oracle"), "one of influx, sqlite"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CloudConfigError, match=said):
        load(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(CloudConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CloudConfigError, match="no YAML"):
        load_config(tmp_path / "binary.yaml")


def test_secrets_stand_in_files_of_their_own(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    with pytest.raises(CloudConfigError, match=r"token: cannot be read"):
        read_secret(secret)
    secret.write_text(" \n")
    with pytest.raises(CloudConfigError, match="is empty"):
        read_secret(secret)
    secret.write_text("abc\n")
    text = GOOD.replace(
        "{kind: sqlite, path: series.sqlite}",
        "{kind: influx, url: 'http://127.0.0.1:1', org: o, token_file: token}",
    )
    config = load(tmp_path, text)
    assert isinstance(config.timeseries, InfluxConfig)
    assert "abc" not in repr(config)
    series = series_of(config)
    assert isinstance(series, Influx)
    series.close()


def test_the_embedded_series_are_made_where_they_are_meant(tmp_path: Path) -> None:
    series = series_of(load(tmp_path, GOOD))
    assert isinstance(series, SqliteSeries)
    assert (tmp_path / "series.sqlite").is_file()
    series.close()
