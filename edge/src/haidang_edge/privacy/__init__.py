"""What may leave the node as a picture: nothing that a rule does not release by name.

Whoever stands in a picture undetected is protected too: the whole crop is made unrecognisable, and
only then the released boxes are put back.
"""

from haidang_edge.privacy.redact import RedactionFailedError, Snapshot, crop_around, redact

__all__ = ["RedactionFailedError", "Snapshot", "crop_around", "redact"]
