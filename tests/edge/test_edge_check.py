"""`haidang node check`: a camera is tried before a catalogue names it."""

import json
import re
import socket
from pathlib import Path

import pytest

from fakes.clip import write_clip
from fakes.rtsp import RtspCamera
from haidang_protocols.command import main


def test_a_camera_that_gives_pictures_is_told_with_their_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=20)
    with RtspCamera(clip, password="secret") as camera:
        assert main(["node", "check", camera.url("admin:secret")]) == 0
        said = capsys.readouterr().out
        assert re.fullmatch(
            rf"rtsp://127.0.0.1:{camera.port}/stream: 320×180, the first picture after .* s\n", said
        )
        assert main(["node", "check", camera.url("admin:wrong")]) == 2
    assert "the user or the password is refused" in capsys.readouterr().err


def test_where_no_camera_is_the_reason_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["node", "check", f"rtsp://127.0.0.1:{port}/x"]) == 2
    assert "nobody listens at that address" in capsys.readouterr().err
    assert main(["node", "check", "/no/such.mp4"]) == 2
    assert capsys.readouterr().err == "haidang: /no/such.mp4: there is no such file\n"
    assert main(["node", "check", "/no/such.mp4", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["source"], told["why"]["code"]) == ("/no/such.mp4", "camera.no_file")
