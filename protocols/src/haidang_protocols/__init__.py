"""Haidang: the wire, the catalogue, the board model and the `haidang` command."""
