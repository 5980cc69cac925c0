# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The journal of a session: what it makes and where, written into the cluster before it is made.

A run can be killed at any instant, on a machine that is never seen again. What it left is found by this record alone.
"""

import time
from collections.abc import Iterator
from functools import partial

import msgspec

from azext_seccomp.cluster.interface import CONFIG_MAPS, JsonObject, Kube, Resource
from azext_seccomp.cluster.namespace import NAMESPACE, SESSION_LABEL, labels, selector, while_it_lasts
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, InvalidInput, NotFound
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.kinds import KINDS

ROLE = "journal"
VERSION = 1

_KEY = "journal.json"
_MAX_BYTES = 1_000_000  # of the 1 MiB that a ConfigMap may have in all (Kubernetes, pkg/apis/core MaxSecretSize)
_RENEWED = "aks-seccomp/renewed"


class JournalObject(msgspec.Struct, frozen=True):
    """An object that the session applies. ``uid`` is empty as long as it is not known whether it was created."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    namespace: str
    name: str
    uid: str = ""

    @property
    def resource(self) -> Resource:
        """Where objects of its kind live."""
        return Resource(self.api_version, self.kind, self.plural, self.namespaced)


class Journal(msgspec.Struct, frozen=True):
    """What a session makes outside the namespace of this extension; what is inside carries its label.

    :param files: paths of profile files below the kubelet's seccomp directory.
    :param nodes: that may have got them.
    :param workloads: that are changed, as they were before.
    :param kept: the user asked for what was applied to stay.
    """

    session: str
    version: int
    command: str
    started_at: str
    installer_image: str
    files: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    objects: tuple[JournalObject, ...] = ()
    workloads: tuple[FormerWorkload, ...] = ()
    kept: bool = False


def write(kube: Kube, journal: Journal) -> None:
    """Begin the journal of a session; the namespace has to exist.

    :raises Conflict: there is one of that name.
    :raises InvalidInput: it has more in it than an object in a cluster can hold.
    :raises SeccompError: it could not be written, so nothing may be made.
    """
    data = _data(journal)
    if len(data[_KEY]) > _MAX_BYTES:
        raise InvalidInput(
            f"The audit would change too many workloads and nodes at once to write them down: {len(data[_KEY])} bytes.",
            fix="Audit fewer workloads at a time.",
        )
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _name(journal.session),
            "namespace": NAMESPACE,
            "labels": labels(journal.session, ROLE),
            "annotations": {_RENEWED: _now()},
        },
        "data": data,
    }
    try:
        while_it_lasts(kube, partial(kube.create, CONFIG_MAPS.path(NAMESPACE), body))
    except Conflict:
        raise _taken(journal.session) from None


def require_unused(kube: Kube, session: str) -> None:
    """Refuse the name of a session that there is, before anything else gets in the way of it.

    :raises Conflict: there is a journal of that name.
    :raises SeccompError: the server refuses or cannot be reached.
    """
    try:
        kube.get(_path(session))
    except NotFound:
        return
    raise _taken(session)


def update(kube: Kube, journal: Journal) -> None:
    """Write down what has become known since; this renews it too."""
    change = {"metadata": {"annotations": {_RENEWED: _now()}}, "data": _data(journal)}
    kube.patch(_path(journal.session), change)


def renew(kube: Kube, session: str) -> None:
    """Say that the session is still running. The journal itself, up to 1 MiB, is not sent either way."""
    kube.patch(_path(session), {"metadata": {"annotations": {_RENEWED: _now()}}}, metadata_only=True)


def delete(kube: Kube, session: str) -> None:
    """End the journal: nothing is left to remove."""
    kube.delete(_path(session))


def list_all(kube: Kube) -> Iterator[JsonObject]:
    """The ConfigMaps of all journals."""
    return kube.list(CONFIG_MAPS.path(NAMESPACE), labels=selector(role=ROLE))


def decode(found: JsonObject) -> Journal:
    """The journal in a ConfigMap.

    :raises InvalidInput: it is of another version, or somebody has changed it into nonsense.
    """
    try:
        journal = msgspec.json.decode((found.get("data") or {}).get(_KEY, ""), type=Journal)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput("The journal cannot be read.", why=printable(str(error))) from None
    if journal.version != VERSION or journal.session != found["metadata"].get("labels", {}).get(SESSION_LABEL):
        raise InvalidInput("The journal is of another version of this extension, or is not this session's.")
    for one in journal.workloads:
        if not _can_be_switched(one):
            raise InvalidInput(f"The journal names {one.label}, which no session can have changed.")
    return journal


def seconds_since_renewal(found: JsonObject) -> float | None:
    """By this machine's clock against that of the machine that wrote it: good for hours, not for seconds. None when it
    does not say.
    """
    try:
        return time.time() - float((found["metadata"].get("annotations") or {}).get(_RENEWED, ""))
    except ValueError:
        return None


def _can_be_switched(one: FormerWorkload) -> bool:
    """Others can write to a journal, and the way back reads and writes whatever it names."""
    kind = KINDS.get(one.kind)
    if kind is None or kind.treatment != "patch":
        return False
    served = one.api_version in kind.api_versions and one.plural == kind.plural
    return served and all((one.namespace, one.name, one.uid))


def _taken(session: str) -> Conflict:
    return Conflict(
        f"There is a session {session} already, under way or left by a run that was killed.",
        fix="Give another name with --session, or remove what is left of it with az aks seccomp cleanup.",
    )


def _name(session: str) -> str:
    return f"journal-{session}"


def _path(session: str) -> str:
    return CONFIG_MAPS.path(NAMESPACE, _name(session))


def _data(journal: Journal) -> dict[str, str]:
    return {_KEY: msgspec.json.encode(journal).decode()}


def _now() -> str:
    return f"{time.time():.3f}"
