"""The node: cameras in, records out; nothing is lost in between."""
