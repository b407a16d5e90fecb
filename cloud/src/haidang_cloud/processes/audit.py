"""`haidang cloud audit verify`: reads the whole chain and says what it found."""

import sys
from pathlib import Path

from haidang_cloud.people import audit
from haidang_cloud.people.audit import Anchor
from haidang_cloud.processes.config import load_config, state_of


def run(config_path: Path) -> int:
    """Say that the log is whole; raises `AuditBrokenError` naming the first line that is not."""
    config = load_config(config_path)
    anchors = [] if config.audit_head is None else Anchor(Path(config.audit_head)).read()
    state = state_of(config)
    try:
        number, digest = audit.verify(state, config.centre, anchors)
    finally:
        state.close()
    sys.stdout.write(f"audit of {config.centre}: {number} lines, whole; the last is {digest}\n")
    if config.audit_head is None:
        sys.stdout.write("no anchors: whether its end was cut off cannot be told (audit_head)\n")
    else:
        sys.stdout.write(f"{len(anchors)} anchors agree ({config.audit_head})\n")
    return 0
