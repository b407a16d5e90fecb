"""What is wrong with a model; one sentence each."""

from haidang_protocols.errors import UserError


class ModelError(UserError):
    """A model that is not there, or does not fit what its manifest says."""
