# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the extension's installer does and answers, on a node whose seccomp directory is a dictionary.

Verbs and the grammar of the answer are those of ``azext_seccomp/node/installer.sh``;
``tests/stand/test_fake_installer.py`` runs the same arguments through the real script and compares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ANSWER_BYTES = 3800
LISTED_FILES = 500
LOGGED = Path("/proc/sys/kernel/seccomp/actions_logged")


@dataclass(frozen=True)
class File:
    """A file of a node: enough of it for what an installer tells."""

    sha256: str
    size: int


def answer(directory: dict[str, File], arguments: Sequence[str], contents: Mapping[str, File]) -> tuple[str, list[str]]:
    """The termination message of one run, and the lines of its log; changes ``directory``.

    :param directory: path -> file of the node.
    :param arguments: of the script from the verb on: ``place keep 0 a.json <sha256> …``.
    :param contents: what the script finds in its content directory, by number.
    """
    verb, *rest = arguments
    total = 0
    if verb == "place":
        lines = [_place(directory, rest[0], path, sha, n, contents[n]) for n, path, sha in _groups(rest[1:], 3)]
        lines.append(f"logged {LOGGED.read_text().strip()}")
    elif verb == "remove":
        lines = [_remove(directory, number, path) for number, path in _groups(rest, 2)]
    else:
        below = f"{rest[0]}/" if verb == "remove-tree" else ""
        found = sorted(path for path in directory if path.startswith(below))
        total = len(found)
        lines = [f"file {directory[path].sha256} {directory[path].size} {path}" for path in found[:LISTED_FILES]]
        if verb == "remove-tree":
            for path in found:
                del directory[path]
    text = "".join(line + "\n" for line in lines)
    if len(text) <= ANSWER_BYTES:
        return f"aks-seccomp 1 here {total}\n{text}end\n", []
    return f"aks-seccomp 1 log {total}\nend\n", [*lines, "end"]


def _place(directory: dict[str, File], force: str, path: str, sha256: str, number: str, content: File) -> str:
    there = directory.get(path)
    if there is not None and there.sha256 == sha256:
        return f"{number} present {sha256}"
    if there is not None and force != "force":
        return f"{number} different {there.sha256}"
    if content.sha256 != sha256:
        return f"{number} failed - what was written reads back differently"
    directory[path] = content
    return f"{number} placed {sha256}"


def _remove(directory: dict[str, File], number: str, path: str) -> str:
    there = directory.pop(path, None)
    return f"{number} removed {there.sha256}" if there else f"{number} absent -"


def _groups(words: Sequence[str], size: int) -> list[Sequence[str]]:
    return [words[start : start + size] for start in range(0, len(words) - size + 1, size)]
