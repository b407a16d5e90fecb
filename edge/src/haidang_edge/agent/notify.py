"""Tells systemd that the service is up and makes progress; does nothing where systemd is not."""

import os
import socket


class Notifier:
    """See the module: sd_notify(3) without its library."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC."""
        given = os.environ if environment is None else environment
        address = given.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = given.get("WATCHDOG_USEC", "")
        self.every_s = int(usec) / 2e6 if usec.isdigit() else None
        """How often systemd wants to hear of progress: twice in the time it allows."""
        self._beaten_s = 0.0

    def ready(self) -> None:
        """All is started."""
        self._say("READY=1")

    def stopping(self) -> None:
        """We end because we were told to."""
        self._say("STOPPING=1")

    def progress(self, now_s: float) -> None:
        """We get on; to be called often, it says so as often as is wanted."""
        if self.every_s is not None and now_s - self._beaten_s >= self.every_s:
            self._beaten_s = now_s
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.sendto(text.encode(), self._address)
            except OSError:
                return  # systemd is restarting; it asks again
