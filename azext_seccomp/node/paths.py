# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where profile files are on a node, and which names they may have.

containerd takes ``localhostProfile`` as a path below the kubelet's seccomp directory (``/var/lib/kubelet/seccomp``).
Ours are in a directory of their own below that, so that ours and others' are told apart by the path alone.
"""

import hashlib
import re
from dataclasses import dataclass

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput

SECCOMP_DIRECTORY = "/var/lib/kubelet/seccomp"
OWN_DIRECTORY = "aks-seccomp"
MAX_FILE_BYTES = 1024 * 1024  # all that fits into a ConfigMap

_SUFFIX = ".json"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_MAX_PATH = 200
_NAMING = (
    "Use letters, digits, '.', '_' and '-', beginning with a letter or digit; '/' makes directories. "
    f"The file is placed as {OWN_DIRECTORY}/NAME{_SUFFIX}."
)


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """A file to place. ``path`` is relative to the kubelet's seccomp directory: the value of ``localhostProfile``."""

    path: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()


def profile_file(content: bytes, name: str | None = None) -> ProfileFile:
    """The file for a profile: under a stable name, or under one that its content makes.

    :raises InvalidInput: the name could leave our directory or is no good as a file name, or the content is too large.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(
            f"The profile has {len(content)} bytes; a file on a node may have {MAX_FILE_BYTES}.",
            fix="Drop what it does not need; the largest default profiles have 30 kB.",
        )
    if name is not None:
        return ProfileFile(stable_path(name), content)
    return ProfileFile(f"{OWN_DIRECTORY}/{hashlib.sha256(content).hexdigest()[:16]}{_SUFFIX}", content)


def stable_path(name: str) -> str:
    """The path of a file that was given a name. ``web``, ``web.json`` and ``aks-seccomp/web.json`` are the same one.

    :raises InvalidInput: see ``profile_file``.
    """
    inner = name.removeprefix(OWN_DIRECTORY + "/")
    if not inner.endswith(_SUFFIX):
        inner += _SUFFIX
    path = f"{OWN_DIRECTORY}/{inner}"
    if inner == _SUFFIX or len(path) > _MAX_PATH or not all(_PART.fullmatch(part) for part in inner.split("/")):
        raise InvalidInput(f"'{printable(name, 80)}' cannot be the name of a profile file.", fix=_NAMING)
    return path


def audit_directory(session: str = "") -> str:
    """Where audits have their files, below our directory, so that the end of one never removes what was placed to stay.
    A session that makes or changes workloads has a directory of its own: no other session uses its files.
    """
    return f"audit/{session}" if session else "audit"


def own_path(path: str) -> str:
    """The same path when it is that of a file of ours.

    :raises InvalidInput: it is not in our directory, or not a path that we would have made.
    """
    if not path.startswith(OWN_DIRECTORY + "/") or stable_path(path) != path:
        raise InvalidInput(
            f"'{printable(path, 80)}' is not a file that this extension placed.",
            fix=f"Only files below {OWN_DIRECTORY}/ are removed; az aks seccomp profile list shows them.",
        )
    return path


def is_own(path: str) -> bool:
    """Whether a path found on a node is in our directory."""
    return path.startswith(OWN_DIRECTORY + "/")
