"""The theme: one stylesheet, in every page's head, so that nothing is drawn twice."""

import importlib.resources


def head() -> str:
    """What stands in the head of every page."""
    folder = importlib.resources.files("haidang_cloud.console")
    css = (folder / "theme.css").read_text(encoding="utf-8")
    return f'<meta name="theme-color" content="#0b1118"><style>{css}</style>'
