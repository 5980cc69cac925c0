# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``ig`` says beside its events."""

import pytest

from azext_seccomp.gadget.notices import MAX_TEXT, Notice, parse_words

STAMP = 'time="2026-07-08T12:00:00Z" '


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (STAMP + "level=debug msg=running...", Notice("ready")),
        (STAMP + 'level=debug msg="running..."', Notice("ready")),
        (STAMP + 'level=debug msg="node-a               | running..."', Notice("ready")),
        ("running...", Notice("ready")),
        (STAMP + 'level=debug msg="running gadget on node a"', None),
        (STAMP + "level=info msg=hello", None),
        ("", None),
        ("   ", None),
        (
            STAMP + 'level=warning msg="reading event: lost 42 samples"',
            Notice("lost", "reading event: lost 42 samples", 42),
        ),
        (
            STAMP + 'level=warning msg="error processing event: short read"',
            Notice("lost", "error processing event: short read", 1),
        ),
        (
            STAMP + 'level=warning msg="This gadget was built with ig v0.50.0 and it\'s being run with v0.51.0."',
            Notice("warning", "This gadget was built with ig v0.50.0 and it's being run with v0.51.0."),
        ),
        (STAMP + 'level=error msg="say \\"no\\"\\nagain"', Notice("error", 'say "no" again')),
        (STAMP + 'level=fatal msg="initializing config: x"', Notice("error", "initializing config: x")),
        ("Error: fetching gadget information: not found", Notice("error", "fetching gadget information: not found")),
        ("panic: runtime error", Notice("text", "panic: runtime error")),
        (
            STAMP + 'level=warning msg="lost 99999999999999999 samples"',
            Notice("warning", "lost 99999999999999999 samples"),
        ),
    ],
)
def test_words(line: str, expected: Notice | None) -> None:
    assert parse_words(line.encode()) == expected


def test_words_are_bounded_and_printable() -> None:
    found = parse_words(b"Error: \x1b[31m" + b"x" * 1_000_000)
    assert found is not None
    assert found.kind == "error"
    assert found.text.isprintable()
    assert len(found.text) <= MAX_TEXT


def test_a_message_cannot_be_made_costly_to_read() -> None:
    hostile = STAMP.encode() + b'level=warning msg="' + b"\\" * 100_000
    assert parse_words(hostile) is not None
