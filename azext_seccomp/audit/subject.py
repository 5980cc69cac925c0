# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One workload of an audit: what it is, what it had, what happens to it, and what limits the result about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from azext_seccomp.audit.plan import PlannedContainer
from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.cluster.namespace import SESSION_LABEL
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict
from azext_seccomp.node.inventory import POOL_LABELS
from azext_seccomp.workload.change import FormerWorkload, obstacles
from azext_seccomp.workload.effective import Applied, container_profiles
from azext_seccomp.workload.find import Candidate
from azext_seccomp.workload.manifest import ManifestObject
from azext_seccomp.workload.templates import PathOf, containers_in, pod_template


@dataclass(eq=False)
class Subject:
    """A workload that is audited.

    :param before: the profile of each container.
    :param former: what it was, when its pods are replaced; ``copy`` when a copy of it runs.
    :param reasons: what limits the result, for an operator.
    """

    candidate: Candidate
    before: Mapping[str, Applied]
    former: FormerWorkload | None = None
    copy: ManifestObject | None = None
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other workload."""
        return self.candidate.namespace, self.candidate.kind, self.candidate.name

    def rows(self, path_of: PathOf) -> Iterator[PlannedContainer]:
        """What is going to happen to its containers."""
        hindered = dict(obstacles(self.candidate))
        for found in containers_in(self.candidate.body):
            name = str(found.get("name", ""))
            yield PlannedContainer(
                self.candidate.namespace,
                f"{self.candidate.kind}/{self.candidate.name}",
                name,
                "none" if name in hindered else "copy" if self.former is None else "restart",
                str(self.before.get(name, "")),
                hindered.get(name) or f"profile {PurePosixPath(path_of(found)).stem}",
            )


def require_free(candidates: Sequence[Candidate]) -> None:
    """
    :raises Conflict: another session audits one of them.
    """
    for one in candidates:
        other = (one.body["metadata"].get("annotations") or {}).get(SESSION_LABEL)
        if other:
            raise Conflict(
                f"{one.label} is being audited already.",
                why=printable(f"Session {other} has changed it.", 200),
                fix="Wait until that audit has ended. If it was killed, az aks seccomp cleanup puts the workload back.",
            )


def elsewhere(one: Candidate, pools: Sequence[str]) -> str:
    """Why pods of a workload may land where no profile is, and could not start there; empty when they do not."""
    template = pod_template(one.body)
    bound = (template.spec.get("nodeSelector") or {}) if template is not None else {}
    if not pools or any(bound.get(label) in pools for label in POOL_LABELS):
        return ""
    return "its nodeSelector does not bind it to the node pools of --nodepool-name, so its pods may land on others"


def left_out(one: Candidate, reason: str) -> NotAuditable:
    """A workload that is not audited."""
    return NotAuditable(one.namespace, "", "", printable(reason, 500), f"{one.kind}/{one.name}")


def auditable(one: Candidate) -> Iterator[Mapping[str, Any]]:
    """Those that a profile has an effect on."""
    hindered = {name for name, _ in obstacles(one)}
    return (found for found in containers_in(one.body) if found.get("name") not in hindered)


def before(one: Candidate) -> dict[str, Applied]:
    """The profile of each container as it is."""
    template = pod_template(one.body)
    return {found.name: found.applied for found in container_profiles(template.spec)} if template else {}
