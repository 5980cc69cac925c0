# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Text that comes from a node or a cluster, made fit for a terminal.

Process names, file names, log lines and even the messages of a kubelet carry what somebody in a container chose to put
there: escape sequences that repaint a terminal, overrides of the writing direction that hide what a line says, or a
megabyte of anything.
"""

_ELLIPSIS = "…"
_MAX_ESCAPE = 10  # characters of the longest escape below, \U0010ffff


def printable(text: str, limit: int = 256) -> str:
    """The text on one line, with everything that is not a visible character or a plain space shown as an escape.

    Runs of line breaks and tabs become one space; the rest is what ``str.isprintable`` refuses: control and format
    characters (C0, C1, bidi, zero width), surrogates, private use, unassigned, separators.

    :param limit: longest result in characters; a longer text ends in ``…``.
    """
    cut = len(text) > limit * _MAX_ESCAPE  # escapes only ever make it longer, so the rest cannot show
    line = " ".join(text[: limit * _MAX_ESCAPE].replace("\t", "\n").replace("\r", "\n").split("\n"))
    if not line.isprintable():
        line = "".join(character if character.isprintable() else _escape(character) for character in line)
    line = " ".join(part for part in line.split(" ") if part) if "  " in line else line
    line = line.strip(" ")
    return line[: limit - 1] + _ELLIPSIS if cut or len(line) > limit else line


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
