# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The memory of a log that may have to be resumed. What it is good for is tried in test_stream."""

import tracemalloc

from azext_seccomp.gadget.resume import ResumeWindow


def line(second: int, number: int) -> bytes:
    return b"2026-11-28T09:%02d:%02d.%09dZ line" % (*divmod(second, 60), number)


def test_it_does_not_grow_with_the_log() -> None:
    def peak(seconds: int) -> int:
        window = ResumeWindow()
        window.resume()
        tracemalloc.start()
        for second in range(seconds):
            for number in range(10):
                window.admit(line(second, number))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(900)  # fills what is cached
    assert peak(2700) < 1.1 * peak(900)


def test_a_line_is_recognised_by_its_text_and_by_its_time() -> None:
    window = ResumeWindow()
    assert window.resume() is None
    assert window.admit(line(5, 1)) == b"line"
    assert window.admit(line(5, 1)) == b"line"
    assert window.resume() == "2026-11-28T09:00:04Z"
    assert not window.everything_came_again
    assert window.admit(line(5, 1)) is None
    assert window.admit(line(5, 1)) is None
    assert window.everything_came_again
    assert window.admit(line(5, 1)) == b"line"
    assert window.admit(line(5, 2)) == b"line"
    assert (window.lines, window.gaps) == (4, 0)


def test_no_line_of_the_log_is_told_apart() -> None:
    window = ResumeWindow()
    window.resume()
    for words in (b"", b"no stamp", b"2026-11-28T09:00:00 text", b"2026-99-28T09:00:00.000000000Z text"):
        assert window.admit(words) is None
        assert window.words == words
    assert window.lines == 0
