"""Boards of the one board model, answered from a scope's bucket and drawn with ECharts."""

from haidang_cloud.console.boards.answer import Answered, Answers
from haidang_cloud.console.boards.evaluate import Row, Window, evaluate

__all__ = ["Answered", "Answers", "Row", "Window", "evaluate"]
