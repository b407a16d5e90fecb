"""What provisioning boards raises; each is a sentence for the person who gave the command."""

from haidang_protocols.errors import UserError


class BoardsError(UserError):
    """Base of this package's errors."""


class GrafanaUnreachableError(BoardsError):
    """Nobody answers, or not in time, or not as Grafana does."""


class GrafanaRefusedError(BoardsError):
    """Grafana answered and refused; `status` is its HTTP status."""

    def __init__(self, message: str, *, status: int) -> None:
        """Keep the status beside the sentence."""
        super().__init__(message)
        self.status = status


class DataSourcesError(BoardsError):
    """The file that says how boards reach their buckets is missing or is none."""
