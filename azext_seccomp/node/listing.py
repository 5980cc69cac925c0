# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the listings of many nodes say together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from azext_seccomp.cluster.text import printable
from azext_seccomp.node.answer import Entry
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.paths import is_own
from azext_seccomp.node.placement import NodeListing

_PATH_LIMIT = 512
_DETAILS = {
    "file": "",
    "link": "a symbolic link",
    "other": "not a file",
    "closed": "a directory that the installer may not read",
}


def rows(listings: Sequence[NodeListing], skipped: Iterable[tuple[Node, str]] = ()) -> list[dict[str, Any]]:
    """One row for each entry on each node, and one for each node that has none or could not be asked.

    ``status``: ``found``, ``empty``, ``cut`` (more entries than are listed), ``failed``, ``skipped``. ``onAllNodes``:
    whether every node that was to be asked has a file of this path with this content; a node that could not be asked
    counts as one that has not.
    """
    holders: Counter[tuple[str, str]] = Counter(
        (entry.path, entry.sha256) for one in listings for entry in one.entries if entry.sha256
    )
    made: list[dict[str, Any]] = []
    for one in listings:
        for entry in one.entries:
            made.append(_found(one, entry, holders[entry.path, entry.sha256] == len(listings)))
        if one.failure:
            made.append(_row(one.node, one.pool, "failed", one.failure))
        elif not one.entries:
            made.append(_row(one.node, one.pool, "empty", "no profile file is there"))
        elif one.total > len(one.entries):
            made.append(_row(one.node, one.pool, "cut", f"{one.total - len(one.entries)} more entries are not listed"))
    made += [_row(node.name, node.pool, "skipped", reason) for node, reason in skipped]
    return made


def _found(one: NodeListing, entry: Entry, everywhere: bool) -> dict[str, Any]:
    detail = _DETAILS[entry.kind]
    if entry.kind == "file" and not entry.sha256:
        detail = "too large for a profile, or the installer may not read it"
    return {
        **_row(one.node, one.pool, "found", detail),
        "localhostProfile": printable(entry.path, _PATH_LIMIT),
        "sha256": entry.sha256,
        "size": entry.size,
        "ours": is_own(entry.path),
        "onAllNodes": everywhere,
    }


def _row(node: str, pool: str, status: str, detail: str) -> dict[str, Any]:
    return {
        "node": node,
        "nodePool": pool,
        "status": status,
        "localhostProfile": "",
        "sha256": "",
        "size": None,
        "ours": False,
        "onAllNodes": False,
        "detail": detail,
    }
