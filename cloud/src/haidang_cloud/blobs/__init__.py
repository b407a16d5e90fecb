"""Pictures by their hash: written once, kept for as long as allowed, every look at one logged."""

from haidang_cloud.blobs.store import Blob, Blobs

__all__ = ["Blob", "Blobs"]
