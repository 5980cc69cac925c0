# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Takes away what a session's journal names: the end of every run, and of those that were killed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.journal import Journal, JournalObject
from azext_seccomp.audit.removal import Removal, RemovalStatus
from azext_seccomp.audit.restoring import restore_all
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
from azext_seccomp.node.placement import MAX_FILES, NodeOutcome, remove
from azext_seccomp.node.users import profiles_of, users_of
from azext_seccomp.progress import Progress, Silent
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.manifest import ROLE as WORKLOAD
from azext_seccomp.workload.templates import pod_template

POD_GRACE_SECONDS = 5
_PODS_GONE_SECONDS = 60.0
_POLL_SECONDS = 0.3
_USERS_SHOWN = 3

_Made = FormerWorkload | JournalObject
_Staying = tuple[_Made, Removal]  # what is still there, and why


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
    restored = restore_all(kube, journal.workloads, journal.session, progress)
    removed: list[Removal] = []
    if journal.objects:
        progress.step("Removing the objects that were made")
        removed += [_remove_object(kube, journal.session, one) for one in reversed(journal.objects)]
        if all(one.status in ("removed", "absent") for one in removed):  # else their pods do not go, or not now
            _end_pods(kube, journal)
    progress.step("Removing the pods")
    remove_own_pods(kube, journal.session)
    if not any(one.status == "failed" for one in restored):
        _await_unused(kube, journal, nodes)
    made: list[_Made] = [*journal.workloads, *reversed(journal.objects)]
    removals = restored + removed
    staying = [(one, done) for one, done in zip(made, removals, strict=True) if done.status in ("failed", "kept")]
    image = installer_image or journal.installer_image
    removals += _remove_files(kube, journal, nodes, staying, image, progress)
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


def _remove_files(
    kube: Kube,
    journal: Journal,
    nodes: Sequence[Node],
    staying: Sequence[_Staying],
    image: str,
    progress: Progress,
) -> list[Removal]:
    """All files that nobody uses or names any more, in one go."""
    wanted = set(journal.nodes)
    there = [node for node in nodes if node.name in wanted]
    if not there or not journal.files:
        return []  # the nodes are gone, and their disks with them
    try:
        paths = [own_path(path) for path in journal.files]
        kept = _kept(kube, journal.session, paths, there, staying)
        removals = [Removal("File", path, "kept", why) for path, why in kept.items()]
        unused = [path for path in paths if path not in kept]
        if not unused:
            return removals
        chosen = choose(there)
        for first in range(0, len(unused), MAX_FILES):
            some = unused[first : first + MAX_FILES]
            outcomes = remove(kube, journal.session, chosen.usable, some, image=image, progress=progress)
            removals += map(_file_removal, outcomes)
    except SeccompError as error:
        return [_failed_file(path, str(error)) for path in journal.files]
    return removals + [_failed_file(path, reason, node.name) for node, reason in chosen.skipped for path in unused]


def _await_unused(kube: Kube, journal: Journal, nodes: Sequence[Node]) -> None:
    """The pods that workloads had under the audit profile end after those that they have again have begun. Whoever may
    not look does without: whether a file can go is judged later.
    """
    there = [node.name for node in nodes if node.name in journal.nodes]
    spaces = {one.namespace for one in journal.workloads}
    deadline = time.monotonic() + _PODS_GONE_SECONDS
    with suppress(SeccompError):
        while spaces := {one for one in spaces if users_of(kube, there, journal.files, namespace=one)}:
            if time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS * 10)


def _file_removal(one: NodeOutcome) -> Removal:
    status: RemovalStatus = "removed" if one.status == "removed" else "absent" if one.status == "absent" else "failed"
    return Removal("File", one.path, status, one.detail, one.node)


def _failed_file(path: str, why: str, node: str = "") -> Removal:
    return Removal("File", printable(path, 256), "failed", printable(why, 500), node)


def _kept(
    kube: Kube, session: str, paths: Sequence[str], nodes: Sequence[Node], staying: Sequence[_Staying]
) -> dict[str, str]:
    """The files that somebody needs, and who: templates, pods, or other sessions that audit the same profile."""
    kept: dict[str, str] = {}
    for one, removal in staying:
        for path in _named(kube, one, paths):
            kept.setdefault(path, f"{removal.kind} {removal.name} still names it")
    for path, pods in _pods_by_file(kube, paths, nodes).items():
        more = f" and {len(pods) - _USERS_SHOWN} more" if len(pods) > _USERS_SHOWN else ""
        kept.setdefault(path, printable(f"pods use it: {', '.join(pods[:_USERS_SHOWN])}{more}", 500))
    for path, other in _of_other_sessions(kube, session, paths):
        kept.setdefault(path, f"session {other} uses it")
    for one, removal in staying:
        if isinstance(one, FormerWorkload) and removal.status == "failed":
            # Its controller may make pods of the template that it had under audit until all are back.
            for path in {container.path for container in one.containers}.intersection(paths):
                kept.setdefault(path, f"{removal.kind} {removal.name} is not back yet")
    return kept


def _of_other_sessions(kube: Kube, session: str, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for found in journals.list_all(kube):
        try:
            other = journals.decode(found)
        except InvalidInput:
            continue
        if other.session != session:
            yield from ((path, other.session) for path in set(paths).intersection(other.files))


def _named(kube: Kube, one: _Made, paths: Sequence[str]) -> set[str]:
    """The files that its template names, pods or not: the next one of them could not be created without. All of them
    when nobody knows.
    """
    try:
        template = pod_template(kube.get(one.resource.path(one.namespace, one.name)))
    except NotFound:
        return set()
    except SeccompError:
        return set(paths)
    return set(paths).intersection(profiles_of(template.spec)) if template is not None else set()


def _pods_by_file(kube: Kube, paths: Sequence[str], nodes: Sequence[Node]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for one in users_of(kube, (node.name for node in nodes), paths):
        found.setdefault(one.path, set()).add(f"{one.namespace}/{one.pod}")
    return {path: sorted(pods) for path, pods in found.items()}
