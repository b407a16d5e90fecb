"""What the board itself says: how warm it is, and whether it is throttled."""

from pathlib import Path

THERMAL = Path("/sys/class/thermal")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Raspberry Pi's firmware; other boards have no such file."""

_NOW = 0b1111
"""Under-voltage, capped, throttled, soft limit: as it is now; higher bits tell of the past."""


def temperature_c(folder: Path = THERMAL) -> float | None:
    """The warmest sensor in degrees Celsius; None where there is none."""
    read = [_number(path / "temp", 10) for path in folder.glob("thermal_zone*")]
    known = [value for value in read if value is not None]
    return max(known) / 1000 if known else None


def throttled(path: Path = THROTTLED) -> bool | None:
    """Whether the board runs slower than it could; None where nobody knows."""
    bits = _number(path, 16)
    return None if bits is None else bool(bits & _NOW)


def _number(path: Path, base: int) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").strip(), base)
    except (OSError, ValueError):
        return None
