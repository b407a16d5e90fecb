"""What travels: topics, records, watermark, node state, commands, cases and answers.

Payloads are JSON with an integer `v`; unknown fields are ignored, new ones are optional. This room
knows no other.
"""
