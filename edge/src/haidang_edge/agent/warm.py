"""Imported once by the fork server: what cameras and engines share in memory.

LiteRT is left out on purpose: only an engine's child loads it.
"""

import gc
import signal

import haidang_edge.agent.camera
import haidang_edge.agent.engine
import haidang_edge.agent.inspection  # noqa: F401  # to be shared, not used here

# children must outlive a SIGTERM to the whole group until the supervisor has told them to end
signal.signal(signal.SIGTERM, signal.SIG_IGN)
# what is here stays here: a collection in a child would copy the pages that it walks over
gc.collect()
gc.freeze()
