"""Asks axe what of a page shuts people out."""

import importlib.resources
from typing import Any

from system.browser.chromium import Browser

SERIOUS = frozenset({"serious", "critical"})
_RUN = """
const done = arguments[arguments.length - 1];
const only = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] };
axe.run(document, only).then(
  (told) => done(told.violations),
  (error) => done([{ id: String(error), impact: "serious", nodes: [] }]),
);
"""


def barriers(browser: Browser) -> list[str]:
    """Serious violations in the page that is open, each with the elements that it is about."""
    if not browser.run("return 'axe' in window"):
        source = importlib.resources.files("axe_core_python") / "axe.min.js"
        browser.run(source.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = browser.driver.execute_async_script(_RUN)
    return [_said(one) for one in found if one["impact"] in SERIOUS]


def _said(violation: dict[str, Any]) -> str:
    where = "; ".join(str(node["html"])[:160] for node in violation["nodes"][:3])
    return f"{violation['id']}: {violation.get('help', '')}: {where}"
