"""What is said at a terminal of another alphabet: letters without their marks, never an error."""

import codecs
import io
import sys
import unicodedata

PLAIN = "haidang-plain"
_INSTEAD = {"đ": "d", "Đ": "D", "…": "...", "•": "-", "–": "-", "✓": "+", "×": "x", "·": "-"}


def speak_plainly() -> None:
    """Let both streams show what they can of every text, from now on."""
    codecs.register_error(PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler: `Cảnh báo` becomes `Canh bao`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(map(_letter, found)), error.end


def _letter(letter: str) -> str:
    plain = unicodedata.normalize("NFD", _INSTEAD.get(letter, letter))
    known = plain.encode("ascii", "ignore").decode()
    return known or ("" if unicodedata.combining(letter) else "?")
