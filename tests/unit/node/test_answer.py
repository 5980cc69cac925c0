# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.errors import ServerFault
from azext_seccomp.node.answer import Entry, Result, read_answer, read_log

HASH = "a" * 64


def test_reads_results() -> None:
    answer = read_answer(f"aks-seccomp 1 here 0\n0 placed {HASH}\n1 failed - cat: No space left\nend\n")
    assert answer is not None
    assert answer.results == (Result(0, "placed", HASH, ""), Result(1, "failed", "", "cat: No space left"))


def test_reads_entries_with_names_that_hold_any_byte() -> None:
    answer = read_answer(f"aks-seccomp 1 here 9\nfile {HASH} 12 a/b.json\nlink - - =ff0a1b\nend\n")
    assert answer is not None
    assert answer.entries == (Entry("a/b.json", "file", HASH, 12), Entry("\udcff\n\x1b", "link", "", None))
    assert answer.total == 9


def test_an_error_of_the_script_is_kept() -> None:
    answer = read_answer("aks-seccomp 1 here 0\nerror it is a link\nend\n")
    assert answer is not None
    assert answer.error == "it is a link"


def test_a_long_answer_is_in_the_log_behind_the_times_of_the_kubelet() -> None:
    message = "aks-seccomp 1 log 2\nend\n"
    assert read_answer(message) is None
    log = [b"2026-01-01T00:00:00Z file - 3 a", b"2026-01-01T00:00:01Z file - 4 b", b"2026-01-01T00:00:01Z end"]
    assert [one.path for one in read_log(message, log).entries] == ["a", "b"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "exec format error",
        "aks-seccomp 2 here 0\nend\n",
        "aks-seccomp 1 here 0\n",
        f"aks-seccomp 1 here 0\n0 placed {HASH}\n",
        f"aks-seccomp 1 here 0\n0 owned {HASH}\nend\n",
        "aks-seccomp 1 here 0\n0 placed abc\nend\n",
        "aks-seccomp 1 here 0\nfile - 1 with space\nend\n",
        "aks-seccomp 1 here 0\nfile - 1 =abc\nend\n",
        "aks-seccomp 1 here ٣\nend\n",
    ],
)
def test_refuses_what_is_cut_or_not_in_the_grammar(message: str) -> None:
    with pytest.raises(ServerFault):
        read_answer(message)


def test_a_log_that_does_not_end_is_refused_and_not_read_for_ever() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"T file - 1 a"

    with pytest.raises(ServerFault):
        read_log("aks-seccomp 1 log 1\nend\n", endless())
    assert read < 1000
    with pytest.raises(ServerFault):
        read_log("aks-seccomp 1 log 1\nend\n", [b"T file - 1 a"])
    with pytest.raises(ServerFault):
        read_log("aks-seccomp 1 log 1\nend\n", [b"x" * 100_000])


@given(st.text(max_size=200))
def test_any_other_text_is_refused_in_words_fit_for_a_terminal(text: str) -> None:
    with pytest.raises(ServerFault) as refused:
        read_answer(text)
    assert refused.value.why.isprintable()
