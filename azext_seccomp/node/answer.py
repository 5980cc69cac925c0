# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an installer answers. The grammar is that of ``installer.sh``; whatever does not match it is refused as a whole.

Files of others on a node are named by others: such names come as hex digits and are decoded here, to be shown by
``printable``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import ServerFault

EntryKind = Literal["file", "link", "other", "closed"]

_HEADER = re.compile(r"aks-seccomp 1 (here|log) ([0-9]{1,9})", re.ASCII)
_RESULT = re.compile(
    r"([0-9]{1,4}) (placed|present|different|removed|absent|refused|failed) ([0-9a-f]{64}|-)(?: (.*))?", re.ASCII
)
_ENTRY = re.compile(
    r"(file|link|other|closed) ([0-9a-f]{64}|-) ([0-9]{1,19}|-) (=[0-9a-f]{2,8192}|[A-Za-z0-9._/-]{1,4096})", re.ASCII
)
_LOGGED = re.compile(r"logged ([a-z_ ]{0,160})", re.ASCII)
_KINDS: dict[str, EntryKind] = {"file": "file", "link": "link", "other": "other", "closed": "closed"}
_DETAIL_LIMIT = 200
_MAX_LINES = 600  # a little more than the script lists
_MAX_LINE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the file of this number; ``sha256`` is of what is on the node now (was, when it was removed), or
    empty.
    """

    number: int
    status: str
    sha256: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something found below the seccomp directory. ``sha256`` is empty and ``size`` (bytes) None for what is no file or
    too large to read.
    """

    path: str
    kind: EntryKind
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """``total`` entries are on the node; ``entries`` may be the first of them only. ``error`` is the script's own, or
    empty. ``logged``: the node's ``kernel.seccomp.actions_logged``; None where it is not told.
    """

    results: tuple[Result, ...] = ()
    entries: tuple[Entry, ...] = ()
    total: int = 0
    error: str = ""
    logged: frozenset[str] | None = None


def read_answer(message: str) -> Answer | None:
    """The answer in a termination message; None when it is in the container's log.

    :raises ServerFault: it is not in the grammar, or cut.
    """
    header, *lines = message.split("\n")
    match = _HEADER.fullmatch(header)
    if match is None:
        raise _unreadable(header)
    if match[1] == "log":
        return None
    return _read_lines(lines, int(match[2]))


def read_log(message: str, log: Iterable[bytes]) -> Answer:
    """The answer in a log; each line begins with the time that the kubelet put before it.

    :raises ServerFault: see ``read_answer``.
    """
    match = _HEADER.fullmatch(message.split("\n")[0])
    if match is None:
        raise _unreadable(message)
    lines: list[str] = []
    for stamped in log:
        if len(lines) > _MAX_LINES or len(stamped) > _MAX_LINE_BYTES:
            raise _unreadable("too much")
        lines.append(stamped.decode("ascii", "replace").partition(" ")[2])
        if lines[-1] == "end":
            break
    return _read_lines(lines, int(match[2]))


def _read_lines(lines: Sequence[str], total: int) -> Answer:
    results: list[Result] = []
    entries: list[Entry] = []
    error = ""
    logged: frozenset[str] | None = None
    for line in lines:
        if line == "end":
            return Answer(tuple(results), tuple(entries), total, error, logged)
        if match := _RESULT.fullmatch(line):
            detail = printable(match[4] or "", _DETAIL_LIMIT)
            results.append(Result(int(match[1]), match[2], _hash(match[3]), detail))
        elif match := _ENTRY.fullmatch(line):
            size = None if match[3] == "-" else int(match[3])
            entries.append(Entry(_name(match[4]), _KINDS[match[1]], _hash(match[2]), size))
        elif match := _LOGGED.fullmatch(line):
            logged = frozenset(match[1].split())
        elif line.startswith("error "):
            error = printable(line.removeprefix("error "), _DETAIL_LIMIT)
        else:
            raise _unreadable(line)
    raise _unreadable("it has no end")


def _hash(text: str) -> str:
    return "" if text == "-" else text


def _name(text: str) -> str:
    """Bytes that are not UTF-8 stay apart as surrogates, which ``printable`` shows as escapes."""
    if not text.startswith("="):
        return text
    try:
        return bytes.fromhex(text[1:]).decode("utf-8", "surrogateescape")
    except ValueError:
        raise _unreadable(text) from None


def _unreadable(words: str) -> ServerFault:
    return ServerFault("The installer's answer cannot be read.", why=printable(words, 100))
