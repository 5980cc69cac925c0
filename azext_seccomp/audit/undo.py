# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Takes away what a session's journal names: the end of every run, and of those that were killed."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.journal import Journal, JournalFile, JournalObject
from azext_seccomp.cluster.interface import PODS, Kube
from azext_seccomp.cluster.namespace import SESSION_LABEL, selector
from azext_seccomp.cluster.pods import remove_session
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, InvalidInput, NotFound, SeccompError
from azext_seccomp.gadget.manifest import ROLE as COLLECTOR
from azext_seccomp.gadget.manifest import STOP_GRACE_SECONDS
from azext_seccomp.node.inventory import Node, choose
from azext_seccomp.node.manifest import ROLE as INSTALLER
from azext_seccomp.node.paths import own_path
from azext_seccomp.node.placement import remove
from azext_seccomp.node.users import users_of
from azext_seccomp.progress import Progress, Silent
from azext_seccomp.workload.manifest import ROLE as WORKLOAD

POD_GRACE_SECONDS = 5
_PODS_GONE_SECONDS = 60.0
_POLL_SECONDS = 0.3
_USERS_SHOWN = 3

RemovalStatus = Literal["removed", "absent", "kept", "failed", "found"]


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one thing that a session made.

    ``kind``: a Kubernetes kind, or ``File`` (``name`` is its path) on ``node``. ``status``: ``removed``; ``absent``
    (was not there); ``kept`` (somebody still uses it); ``failed``; ``found`` (only looked at).
    """

    kind: str
    name: str
    status: RemovalStatus
    detail: str = ""
    node: str = ""


def undo(
    kube: Kube,
    journal: Journal,
    nodes: Sequence[Node],
    *,
    installer_image: str = "",
    progress: Progress | None = None,
) -> list[Removal]:
    """Remove everything that the journal names, and in the end the journal. What fails is in the result, and then the
    journal stays for the next attempt.

    :param nodes: all nodes of the cluster as they are now.
    :param installer_image: instead of the one that the journal names.
    :raises SeccompError: the API server cannot be talked to any more.
    """
    progress = progress or Silent()
    removals = []
    if journal.objects:
        progress.step("Removing the objects of the manifest")
        removals += [_remove_object(kube, journal.session, one) for one in reversed(journal.objects)]
        if all(one.status in ("removed", "absent") for one in removals):  # else its pods do not go, or not now
            _end_pods(kube, journal)
    progress.step("Removing the pods")
    remove_own_pods(kube, journal.session)
    for file in journal.files:
        removals += _remove_file(kube, journal, file, nodes, installer_image or journal.installer_image, progress)
    if not any(one.status == "failed" for one in removals):
        journals.delete(kube, journal.session)
    return removals


def remove_own_pods(kube: Kube, session: str) -> None:
    """Remove the session's collectors and installers; the journal stays.

    :raises SeccompError: the server refuses or cannot be reached.
    """
    for role, grace in ((COLLECTOR, STOP_GRACE_SECONDS), (INSTALLER, 0)):
        remove_session(kube, session, role, grace_seconds=grace)


def _remove_object(kube: Kube, session: str, one: JournalObject) -> Removal:
    """Only what carries the session's label: the journal alone is no proof, others can write into its namespace."""
    try:
        path = one.resource.path(one.namespace, one.name)
        found = kube.get(path)
        metadata = found.get("metadata") or {}  # what a changed journal names may be no object at all
        uid = str(metadata.get("uid", ""))
        if (metadata.get("labels") or {}).get(SESSION_LABEL) != session or one.uid not in ("", uid):
            return _removal(one, "kept", "it is not the one that the session made")
        removed = kube.delete(path, uid=uid)
    except NotFound:
        return _removal(one, "absent")
    except Conflict:
        return _removal(one, "kept", "it was replaced by another one")
    except SeccompError as error:
        return _removal(one, "failed", str(error))
    return _removal(one, "removed" if removed else "absent")


def _removal(one: JournalObject, status: RemovalStatus, detail: str = "") -> Removal:
    name = f"{one.namespace}/{one.name}" if one.namespace else one.name
    return Removal(printable(one.kind, 80), printable(name, 330), status, printable(detail, 500))


def _end_pods(kube: Kube, journal: Journal) -> None:
    """Wait until what the objects started is gone: as long as pods use the profile its file stays.

    The garbage collector ends the pods after their owners; a pod that goes before its ReplicaSet is made again. Long
    grace periods of those that it ends are cut short. Whoever may not look or hurry just does not: whether the file can
    go is judged later, and this is not to keep the rest from being removed.
    """
    matching = selector(journal.session, WORKLOAD)
    spaces = {one.namespace for one in journal.objects if one.namespace}
    hurried: set[str] = set()
    deadline = time.monotonic() + _PODS_GONE_SECONDS
    while time.monotonic() < deadline:
        try:
            pods = [pod for namespace in spaces for pod in kube.list(PODS.path(namespace), labels=matching)]
        except SeccompError:
            return
        if not pods:
            return
        for metadata in (pod["metadata"] for pod in pods):
            if "deletionTimestamp" in metadata and metadata["uid"] not in hurried:
                hurried.add(metadata["uid"])
                path = PODS.path(metadata["namespace"], metadata["name"])
                with suppress(SeccompError):
                    kube.delete(path, grace_seconds=POD_GRACE_SECONDS, uid=metadata["uid"])
        time.sleep(_POLL_SECONDS)


def _remove_file(
    kube: Kube, journal: Journal, file: JournalFile, nodes: Sequence[Node], image: str, progress: Progress
) -> list[Removal]:
    wanted = set(file.nodes)
    there = [node for node in nodes if node.name in wanted]
    if not there:
        return []  # the nodes are gone, and their disks with them
    try:
        path = own_path(file.path)
        kept = _needed_by(kube, journal.session, path, there)
        if kept:
            return [Removal("File", path, "kept", kept)]
        chosen = choose(there)
        outcomes = remove(kube, journal.session, chosen.usable, [path], image=image, progress=progress)
    except SeccompError as error:
        return [Removal("File", printable(file.path, 256), "failed", printable(str(error), 500))]
    removals = [
        Removal("File", path, one.status if one.status in ("removed", "absent") else "failed", one.detail, one.node)
        for one in outcomes
    ]
    return removals + [Removal("File", path, "failed", reason, node.name) for node, reason in chosen.skipped]


def _needed_by(kube: Kube, session: str, path: str, nodes: Iterable[Node]) -> str:
    """Who still uses the file: pods, or other sessions that audit the same profile."""
    pods = sorted({f"{one.namespace}/{one.pod}" for one in users_of(kube, (node.name for node in nodes), [path])})
    if pods:
        more = f" and {len(pods) - _USERS_SHOWN} more" if len(pods) > _USERS_SHOWN else ""
        return printable(f"pods use it: {', '.join(pods[:_USERS_SHOWN])}{more}", 500)
    for found in journals.list_all(kube):
        try:
            other = journals.decode(found)
        except InvalidInput:
            continue
        if other.session != session and any(file.path == path for file in other.files):
            return f"session {other.session} uses it"
    return ""
