"""Known models are had by name: from their address, or from a folder; never one that is another."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from haidang_edge.detect import ModelError, ModelStore, recipes
from haidang_edge.detect.pull import download, pull
from haidang_protocols.command import main
from servers import start

SSD = "ssd-mobilenet-v1-coco"


class Shelf(BaseHTTPRequestHandler):
    """Serves two files; one breaks off in the middle."""

    def do_GET(self) -> None:
        if self.path == "/model":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a model")
        elif self.path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half of it")
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_known_model_says_where_this_very_file_is() -> None:
    for name in recipes.names():
        manifest = recipes.named(name)
        assert manifest is not None
        assert recipes.shipped(name) or manifest.url.startswith("https://"), name


def test_a_model_is_fetched_from_its_pinned_address(tmp_path: Path, data_dir: Path) -> None:
    asked: list[str] = []

    def fetch(url: str, into: Path) -> None:
        asked.append(url)
        file = data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite"
        into.write_bytes(file.read_bytes())

    model = pull(ModelStore(tmp_path), SSD, fetch=fetch)
    assert model.name == SSD
    assert "person" in model.labels
    assert asked == [model.manifest.url]


def test_what_is_not_the_model_is_not_taken(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")

    def fetch(_url: str, into: Path) -> None:
        into.write_bytes(b"something else")

    with pytest.raises(ModelError, match=r"has SHA-256 [0-9a-f]{64}, but .* it is not taken"):
        pull(store, SSD, fetch=fetch)
    assert store.list() == ()


def test_a_folder_serves_where_there_is_no_network(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["node", "models", "pull", SSD, "--models", str(tmp_path / "models"), "--from-dir"]
    assert main([*words, str(data_dir / "models")]) == 0
    assert f"{SSD}: 90 labels" in capsys.readouterr().out
    (tmp_path / "other.tflite").write_bytes(b"no such thing")
    assert main([*words, str(tmp_path)]) == 2
    assert "none of its 1 files is ssd-mobilenet-v1-coco" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "gone")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_nobody_knows_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'yolo' is not known; known are: .*ssd-mobilenet"):
        pull(ModelStore(tmp_path), "yolo")


def test_what_is_in_the_way_of_a_download_is_a_sentence(tmp_path: Path, shelf: str) -> None:
    download(f"{shelf}/model", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"a model"
    with pytest.raises(ModelError, match="answered 404 Not Found"):
        download(f"{shelf}/gone", tmp_path / "got")
    with pytest.raises(ModelError, match=r"broke off 90 bytes before its end.*--from-dir"):
        download(f"{shelf}/half", tmp_path / "got")
    with pytest.raises(ModelError, match=r"Connection refused.*--from-dir"):
        download(f"http://127.0.0.1:{start.free_port()}/", tmp_path / "got")
