"""`haidang node check`: whether a camera gives pictures, before a catalogue names it."""

import argparse
import sys
import time

from haidang_protocols.command import Command
from haidang_protocols.errors import UserError


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        help="as a catalogue names it: rtsp://…, /dev/video0, a video file; "
        "${NAME} in it is taken from the environment",
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_edge.capture import open_source  # `--help` stays quick

    begun_s = time.monotonic()
    with open_source(arguments.source, width=64, height=36) as source:
        if next(source.frames(), None) is None:
            raise UserError(f"{source.address.shown}: holds no picture")
        took_s = time.monotonic() - begun_s
        shown, size = source.address.shown, f"{source.width}×{source.height}"
    sys.stdout.write(f"{shown}: {size}, the first picture after {took_s:.1f} s\n")
    return 0


CHECK = Command(
    help="open a camera and tell whether a picture comes, or why not",
    configure=_configure,
    run=_run,
    examples="  haidang node check /dev/video0\n"
    "  haidang node check clip.mp4\n"
    "  CAM_PASSWORD=… haidang node check 'rtsp://admin:${CAM_PASSWORD}@192.168.1.64/h264'",
)
