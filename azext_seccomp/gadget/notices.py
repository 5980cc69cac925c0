# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``ig`` says beside its events: readiness, losses, warnings, errors.

``ig`` writes events to stdout and logrus text to stderr; a pod's log merges both. Outside a terminal logrus writes
``time="…" level=debug msg=running...`` and quotes a message, in Go's way, only where it has to. The texts are those
of Inspektor Gadget v0.31 to v0.55: ``pkg/gadget-context/run.go`` (``running...``, after every operator has started)
and ``pkg/operators/ebpf/tracer.go`` (``reading event: lost N samples``, ``error processing event: …``).
"""

import re
from typing import Literal

import msgspec

from azext_seccomp.cluster.text import printable

NoticeKind = Literal["ready", "lost", "warning", "error", "text"]

MAX_TEXT = 1024
_SCANNED = 8 * 1024  # a longer line of words is nobody's message; bounds the work on it

_LOGRUS = re.compile(r'(?:time=(?:"[^"]*"|\S+) )?level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)', re.ASCII)
_GO_ESCAPE = re.compile(r"\\(.)")
_GO_ESCAPES = {"n": " ", "t": " ", "r": " "}
_LOST = re.compile(r"\blost (\d{1,15}) samples\b", re.ASCII)
_ONE_EVENT_LOST = ("error reading event", "error processing event")
_QUIET_LEVELS = frozenset({"trace", "debug", "info"})
_READY = "running..."
_FATAL = "Error: "


class Notice(msgspec.Struct, frozen=True):
    """A line that is no event. ``lost`` counts the events that it says are missing: a lower bound."""

    kind: NoticeKind
    text: str = ""
    lost: int = 0


def parse_words(line: bytes) -> Notice | None:
    """Read one line that is no JSON object; None when it is empty or debug and info text."""
    text = line[:_SCANNED].decode("utf-8", "replace").strip()
    match = _LOGRUS.match(text)
    if match is not None:
        return _from_logrus(match.group(1), _unquoted(match.group(2)))
    if text == _READY:
        return Notice("ready")
    if text.startswith(_FATAL):
        return Notice("error", printable(text.removeprefix(_FATAL), MAX_TEXT))
    return Notice("text", printable(text, MAX_TEXT)) if text else None


def _from_logrus(level: str, message: str) -> Notice | None:
    if level in _QUIET_LEVELS:
        return Notice("ready") if message == _READY or message.endswith("| " + _READY) else None
    shown = printable(message, MAX_TEXT)
    lost = _LOST.search(message)
    if lost is not None:
        return Notice("lost", shown, int(lost.group(1)))
    if message.startswith(_ONE_EVENT_LOST):
        return Notice("lost", shown, 1)
    return Notice("warning" if level == "warning" else "error", shown)


def _unquoted(value: str) -> str:
    """Undo Go's ``%q``; white space stays a space, other escapes keep their letter: this text is only shown."""
    if not value.startswith('"'):
        return value
    return _GO_ESCAPE.sub(lambda match: _GO_ESCAPES.get(match.group(1), match.group(1)), value[1:-1])
