"""The part of `node.yaml` that enrolment knows: who the node is, and its broker."""

from pathlib import Path
from typing import Any

import yaml

from haidang_edge.enrol.keys import CA_FILE, CERT_FILE, CURRENT, KEY_FILE, Enrolment, EnrolmentError


def text_of(state: Enrolment, folder: Path) -> str:
    """The part as text."""
    at = folder.resolve() / CURRENT
    return (
        f"centre: {state.centre}\n"
        f"site: {state.site}\n"
        f"node: {state.node}\n"
        "broker:\n"
        f"  host: {state.broker_host}\n"
        f"  port: {state.broker_port}\n"
        f"  ca: {at / CA_FILE}\n"
        f"  cert: {at / CERT_FILE}\n"
        f"  key: {at / KEY_FILE}\n"
    )


def put(path: Path, text: str) -> str:
    """Put the part into a node's file and tell what was done; what a person wrote stays as it is.

    Keys that are not there are added at the end; one that says something else is not overwritten.
    """
    wanted: dict[str, Any] = yaml.safe_load(text)
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        have = yaml.safe_load(before) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise EnrolmentError(f"{path}: cannot be read: {error}") from error
    if not isinstance(have, dict):
        raise EnrolmentError(f"{path}: is no mapping; put this there by hand:\n{text}")
    other = [key for key, value in wanted.items() if key in have and have[key] != value]
    if other:
        raise EnrolmentError(
            f"{path}: says something else under {', '.join(other)}; put this there by hand:\n{text}"
        )
    missing = {key: value for key, value in wanted.items() if key not in have}
    if not missing:
        return "says so already"
    gap = "" if not before or before.endswith("\n") else "\n"
    added = yaml.safe_dump(missing, sort_keys=False, allow_unicode=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{before}{gap}{added}", encoding="utf-8")
    except OSError as error:
        raise EnrolmentError(f"{path}: cannot be written: {error.strerror}") from error
    return f"added {', '.join(missing)}"
