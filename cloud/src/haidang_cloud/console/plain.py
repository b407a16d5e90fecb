"""Pages without NiceGUI: the log-in, and what is shown while the centre is away."""

import html
import importlib.resources
import string

import nicegui
from fastapi.responses import HTMLResponse

from haidang_cloud.console.texts import LANGUAGES, texts
from haidang_cloud.console.theme import icon


def plain_page(name: str, language: str, *, status: int = 200, **values: str) -> HTMLResponse:
    """`name`.html in a language, the theme and all texts in it; `values` are escaped too."""
    folder = importlib.resources.files("haidang_cloud.console")
    page = string.Template((folder / f"{name}.html").read_text(encoding="utf-8"))
    words = {key.replace(".", "_"): html.escape(text) for key, text in texts(language).items()}
    other = next(one for one in LANGUAGES if one != language)
    words |= {
        "language": language,
        "other": other,
        "other_name": html.escape(texts(other)["language.name"]),
        "fonts": f"/_nicegui/{nicegui.__version__}/static/fonts.css",
        "icon": html.escape(icon()),
        "theme": (folder / "theme.css").read_text(encoding="utf-8"),
    }
    shown = {key: html.escape(value) for key, value in values.items()}
    return HTMLResponse(page.substitute(words, **shown), status)
