"""The agent: keeps one process per camera and per model alive, and what they see on its way.

The supervisor holds the spool, the publisher, the clock and the health; it never decodes a picture.
Children come from a fork server that has the large libraries loaded, so that their memory is
shared. Pictures go from a camera to its model through a shared slot; all else are small messages.
"""
