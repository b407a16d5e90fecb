"""The theme: one stylesheet, in every page's head, so that nothing is drawn twice."""

import importlib.resources
import urllib.parse

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#0b1118"/><g fill="#e8eef5">'
    '<path d="M13 12h6l2 16H11z"/><path d="M12 8h8v4h-8z"/><path d="M16 3l4 5h-8z"/></g>'
    '<path fill="#f5b83d" d="M22 9l8-4v9zM10 9L2 5v9z"/></svg>'
)


def head() -> str:
    """What stands in the head of every page."""
    folder = importlib.resources.files("haidang_cloud.console")
    css = (folder / "theme.css").read_text(encoding="utf-8")
    return f'<meta name="theme-color" content="#0b1118"><style>{css}</style>'


def icon() -> str:
    """The lighthouse that a browser shows in a page's tab, as an address."""
    return "data:image/svg+xml," + urllib.parse.quote(_ICON)
