"""`haidang demo`: a whole centre on one machine, to be looked at and broken."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep all data there, and go on from it next time"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="the console's port; 0 for any (default: 8080)"
    )
    parser.add_argument("--lang", choices=("vi", "en"), default="vi", help="language (vi)")
    parser.add_argument("--postgres", metavar="URL", default="", help="a real PostgreSQL")
    parser.add_argument("--influxdb", metavar="URL", default="", help="a real InfluxDB 2")
    parser.add_argument("--influxdb-org", metavar="NAME", default="haidang", help="(haidang)")
    parser.add_argument(
        "--influxdb-token-file", type=Path, metavar="FILE", help="holds an administrator's token"
    )
    parser.add_argument(
        "--grafana",
        metavar="URL",
        default="",
        help="a real Grafana; GRAFANA_USER and GRAFANA_PASSWORD log in",
    )
    parser.add_argument(
        "--camera",
        metavar="ADDRESS",
        help="your own camera instead of the drawn ones: rtsp://…, /dev/video0, a video file",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="with --camera: a .tflite file, or the name of a known model, which is fetched",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="what the model is, for one that Haidang does not know "
        "(see haidang node models --help)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.demo import DemoOptions, Servers, run  # `--help` stays quick

    return run(
        DemoOptions(
            keep=arguments.keep,
            port=arguments.port,
            language=arguments.lang,
            servers=Servers(
                postgres=arguments.postgres,
                influxdb=arguments.influxdb,
                influxdb_org=arguments.influxdb_org,
                influxdb_token=arguments.influxdb_token_file,
                grafana=arguments.grafana,
            ),
            camera=arguments.camera,
            model=arguments.model,
            manifest=arguments.manifest,
        )
    )


DEMO = Command(
    help="run a whole centre with four drawn cameras on this machine, and a desk to break it at",
    configure=_configure,
    run=_run,
    examples="  haidang demo\n"
    "  haidang demo --lang en --port 8090 --keep ~/haidang-demo\n"
    "  haidang demo --camera rtsp://user:secret@192.168.1.64/s1 --model ssd-mobilenet-v1-coco\n"
    "  haidang demo --camera /dev/video0 --model ours.tflite --manifest ours.yaml\n"
    "  haidang demo --postgres postgresql://haidang@db/haidang\n"
    "  haidang demo --camera clip.mp4 --model ssd_mobilenet_v1_coco_quant.tflite",
)
