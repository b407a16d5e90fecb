"""`haidang node check`: whether a camera gives pictures, before a catalogue names it."""

import argparse
import json
import sys
import time

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        help="as a catalogue names it: rtsp://…, /dev/video0, a video file; "
        "${NAME} in it is taken from the environment",
    )
    parser.add_argument(
        "--json", action="store_true", help="one line for programs: what it is, or why not"
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_edge.capture import CaptureError  # `--help` stays quick

    try:
        found = look(arguments.source)
    except CaptureError as error:
        if not arguments.json:
            raise
        why = {"code": error.why.code, "values": error.why.values, "sentence": str(error.why)}
        sys.stdout.write(json.dumps({"source": error.shown, "why": why}) + "\n")
        return 1
    size = "{width}×{height}, the first picture after {first_s:.1f} s".format_map(found)
    sys.stdout.write(json.dumps(found) if arguments.json else f"{found['source']}: {size}")
    sys.stdout.write("\n")
    return 0


def look(source: str) -> dict[str, str | int | float]:
    """What a source is: its address without a secret, its size, how long the first picture took.

    Raises:
        UserError: it cannot be a source.
        CaptureError: it gives no picture.
    """
    from haidang_edge.capture import SourceRefusedError, open_source
    from haidang_protocols.wire.reasons import because

    begun_s = time.monotonic()
    with open_source(source, width=64, height=36) as opened:
        shown = opened.address.shown
        if next(opened.frames(), None) is None:
            raise SourceRefusedError(shown, because("camera.empty"))
        first_s = time.monotonic() - begun_s
        return {
            "source": shown,
            "width": opened.width,
            "height": opened.height,
            "first_s": first_s,
        }


CHECK = Command(
    help="open a camera and tell whether a picture comes, or why not",
    configure=_configure,
    run=_run,
    examples="  haidang node check /dev/video0\n"
    "  haidang node check clip.mp4 --json\n"
    "  CAM_PASSWORD=… haidang node check 'rtsp://admin:${CAM_PASSWORD}@192.168.1.64/h264'",
)
