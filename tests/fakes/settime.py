"""A machine's clocks, set and moved by a test."""

SECOND = 10**9


class SetTime:
    """A machine's clocks as a test sets them."""

    def __init__(self, *, boot: str = "0123abcd", mono: int = SECOND, wall: int = 0) -> None:
        self.boot_id, self.mono, self.wall, self.is_synced = boot, mono, wall, False

    def boot(self) -> str:
        return self.boot_id

    def mono_ns(self) -> int:
        return self.mono

    def wall_ns(self) -> int:
        return self.wall

    def synced(self) -> bool:
        return self.is_synced

    def go(self, seconds: float) -> None:
        self.mono += int(seconds * SECOND)
        self.wall += int(seconds * SECOND)
