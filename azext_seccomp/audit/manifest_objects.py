# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Applies the audited copy of a manifest, object by object."""

from collections.abc import Sequence
from functools import partial

from azext_seccomp.audit.journal import JournalObject
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.namespace import once_there_is_an_account
from azext_seccomp.cluster.preflight import ask
from azext_seccomp.errors import Conflict
from azext_seccomp.progress import Progress
from azext_seccomp.workload.manifest import ManifestObject, audited_copy
from azext_seccomp.workload.templates import PathOf

_ENDING_KINDS = frozenset({"Pod", "Job"})


def planned(objects: Sequence[ManifestObject]) -> tuple[JournalObject, ...]:
    """The objects as the journal names them before any of them is created."""
    return tuple(JournalObject(*one.resource, namespace=one.namespace, name=one.name) for one in objects)


def dry_run(kube: Kube, objects: Sequence[ManifestObject], session: str, path_of: PathOf) -> None:
    """Let the API server and its policies judge what makes pods, before anything is made. Objects in a namespace that
    the manifest itself makes cannot be asked about.

    :raises SeccompError: one of them is refused.
    """
    made = {one.name for one in objects if one.resource.kind == "Namespace"}
    for one in objects:
        if one.makes_pods and one.namespace not in made:
            ask(kube, one.collection, audited_copy(one, session, path_of))


def create(
    kube: Kube, objects: Sequence[ManifestObject], session: str, path_of: PathOf, progress: Progress
) -> tuple[JournalObject, ...]:
    """Create the objects in their order.

    :return: the objects with their uids, for the journal.
    :raises Conflict: somebody else has created one of them meanwhile; it is not touched.
    :raises SeccompError: one is refused. Those before it are there.
    """
    made = []
    for number, one in enumerate(objects):
        progress.step("Creating what is to be watched", number, len(objects))
        try:
            body = audited_copy(one, session, path_of)
            created = once_there_is_an_account(partial(kube.create, one.collection, body))
        except Conflict as error:
            raise Conflict(f"{one.label} has just been created by somebody else.", why=str(error)) from None
        uid = str(created["metadata"].get("uid", ""))
        made.append(JournalObject(*one.resource, namespace=one.namespace, name=one.name, uid=uid))
    return tuple(made)


def pods_that_end(objects: Sequence[ManifestObject]) -> int | None:
    """How many pods at least have to end before nothing of the manifest runs any more; None when it never ends."""
    makers = [one for one in objects if one.makes_pods]
    if not all(one.resource.kind in _ENDING_KINDS for one in makers):
        return None
    return len(makers)
