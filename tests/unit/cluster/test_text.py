# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.cluster.text import printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain words, ünïcode too", "plain words, ünïcode too"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("one\r\n\ttwo", "one two"),
        ("  in the middle   many  ", "in the middle many"),
        ("\u202egnirts", "\\u202egnirts"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b31m", "\\x9b31m"),
        ("half \ud800 pair", "half \\ud800 pair"),
        ("\u2028next line", "\\u2028next line"),
        ("", ""),
    ],
)
def test_shows_what_a_terminal_would_act_on_as_escapes(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


def test_a_long_text_ends_in_an_ellipsis_at_the_limit() -> None:
    assert printable("x" * 300, 10) == "x" * 9 + "…"
    assert printable("x" * 10, 10) == "x" * 10


def test_a_text_cut_before_its_escapes_are_made_still_says_so() -> None:
    assert printable(" " * 200 + "end", 10).endswith("…")


@given(st.text(alphabet=st.characters(), max_size=600), st.integers(min_value=1, max_value=64))
def test_is_always_visible_and_never_longer_than_asked(text: str, limit: int) -> None:
    result = printable(text, limit)
    assert result.isprintable()
    assert len(result) <= limit
