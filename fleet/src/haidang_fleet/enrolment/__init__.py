"""Certificates: the authority, tokens that work once, who holds what, and how it ends."""
