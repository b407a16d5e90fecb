"""A token as people type it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_protocols.wire.enrolment import (
    FINGERPRINT_BYTES,
    SECRET_BYTES,
    Token,
    TokenUnreadableError,
    fingerprint,
    parse_token,
)

TOKENS = st.builds(
    Token,
    secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
    fingerprint=st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
)
TOKEN = Token(secret=bytes(range(16)), fingerprint=fingerprint(b"certificate"))


@given(TOKENS)
def test_a_token_is_read_as_it_was_written_however_it_is_typed(token: Token) -> None:
    text = token.text()
    assert len(text.replace("-", "")) == 56
    for typed in (text, text.upper(), text.replace("-", " "), f"  {text.replace('-', '')}\n"):
        assert parse_token(typed) == token


@given(TOKENS, st.integers(0, 55), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_wrong_letter_is_noticed(token: Token, at: int, letter: str) -> None:
    letters = token.text().replace("-", "")
    typed = letters[:at] + letter + letters[at + 1 :]
    if typed == letters:
        return
    with pytest.raises(TokenUnreadableError, match=r"type it again|update haidang"):
        parse_token(typed)


@pytest.mark.parametrize("typed", ["", "abc", "0" * 56, "a" * 55, "a" * 64, TOKEN.text()[:-1], "é"])
def test_what_is_no_token_says_what_to_do(typed: str) -> None:
    with pytest.raises(TokenUnreadableError, match="type it again"):
        parse_token(typed)


def test_a_token_knows_its_authority() -> None:
    assert TOKEN.fits(b"certificate")
    assert not TOKEN.fits(b"another")
