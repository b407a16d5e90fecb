"""Pictures by their hash: written once, kept for as long as allowed, every look at one logged."""

from haidang_cloud.blobs.store import Blob, Blobs, Look

__all__ = ["Blob", "Blobs", "Look"]
