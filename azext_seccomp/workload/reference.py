# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How a user names workloads: ``deployment/web``, ``sts``, ``all``; kinds as kubectl takes them."""

import difflib
from typing import Literal, NamedTuple

from azext_seccomp.cluster.interface import PODS, Resource
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput

Treatment = Literal["patch", "copy"]
ALL = "all"


class Kind(NamedTuple):
    """A kind of workload.

    :param words: what users call it, in lower case.
    :param treatment: ``patch``: its template can be changed, and that replaces its pods; ``copy``: neither its template
        nor its pods can be changed, so a copy of it runs.
    """

    resource: Resource
    words: tuple[str, ...]
    treatment: Treatment


def _apps(kind: str, *words: str) -> Kind:
    plural = kind.lower() + "s"
    return Kind(Resource("apps/v1", kind, plural, namespaced=True), (kind.lower(), plural, *words), "patch")


KINDS = (
    _apps("Deployment", "deploy"),
    _apps("StatefulSet", "sts"),
    _apps("DaemonSet", "ds"),
    _apps("ReplicaSet", "rs"),
    Kind(Resource("batch/v1", "Job", "jobs", namespaced=True), ("job", "jobs"), "copy"),
    Kind(Resource("batch/v1", "CronJob", "cronjobs", namespaced=True), ("cronjob", "cronjobs", "cj"), "copy"),
    Kind(PODS, ("pod", "pods", "po"), "copy"),
)
OF_ALL = ("Deployment", "StatefulSet", "DaemonSet")
"""The kinds that ``all`` means: what usually runs, and can be changed."""

_BY_WORD = {word: one for one in KINDS for word in one.words}


class Reference(NamedTuple):
    """``kind``: as the API calls it; empty for all kinds. ``name``: empty for all of the kind."""

    kind: str
    name: str


def kind_of(name: str) -> Kind:
    """The kind that the API calls so."""
    return next(one for one in KINDS if one.resource.kind == name)


def parse_reference(word: str) -> Reference:
    """One value of ``--workload``. A kind may carry its group, as kubectl prints it: ``deployment.apps/web``.

    :raises InvalidInput: it is no kind that makes pods.
    """
    before, slash, name = word.partition("/")
    kind = before.lower().partition(".")[0]
    if kind == ALL and not slash:
        return Reference("", "")
    found = _BY_WORD.get(kind)
    if found is None or (slash and not name) or "/" in name:
        near = difflib.get_close_matches(kind[:64], sorted(_BY_WORD), n=1, cutoff=0.7)
        meant = f"Did you mean {near[0]}{slash}{printable(name, 64)}? " if near and near[0] != kind else ""
        raise InvalidInput(
            f"'{printable(word, 120)}' does not name a workload.",
            fix=f"{meant}Give KIND/NAME such as deployment/web, a kind alone for all of the kind, or {ALL}. Kinds: "
            f"{', '.join(one.resource.kind for one in KINDS)}.",
        )
    return Reference(found.resource.kind, name)
