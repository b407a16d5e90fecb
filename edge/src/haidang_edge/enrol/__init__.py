"""How a node gets its certificate and keeps it: the key is made here and never leaves."""

from haidang_edge.enrol.keys import EnrolmentError, KeyFolder
from haidang_edge.enrol.visit import enrol, renew

__all__ = ["EnrolmentError", "KeyFolder", "enrol", "renew"]
