# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is to be audited, and how: the arguments of one audit, checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from azext_seccomp.audit.choice import ProfileChoice
from azext_seccomp.audit.profile_set import Mode
from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import InvalidInput
from azext_seccomp.gadget.event import Event
from azext_seccomp.gadget.manifest import DEFAULT_GADGET_IMAGE, DEFAULT_IG_IMAGE
from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE
from azext_seccomp.workload.reference import Reference

ROLLOUT_SECONDS = 300
"""How long a rollout may take that shows no trouble."""

MIN_SECONDS = 1
MAX_SECONDS = 24 * 3600

_UNITS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(?:\d{1,6}[hms])+", re.ASCII)
_PART = re.compile(r"(\d+)([hms])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the pods of a session, as references that the nodes can pull."""

    installer: str = DEFAULT_INSTALLER_IMAGE
    ig: str = DEFAULT_IG_IMAGE
    gadget: str = DEFAULT_GADGET_IMAGE
    verify_gadget: bool = True


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pods are audited. Only those count that run under the audit profile.

    :param namespace: only pods in it; of all namespaces when empty.
    :param labels: a label selector.
    :param pods: only pods of these names.
    :param asked: the user asked for these; else they are a guess at where the pods of interest are.
    """

    namespace: str = ""
    labels: str = ""
    pods: tuple[str, ...] = ()
    asked: bool = True

    @property
    def named(self) -> bool:
        """Whether the user named pods: then each of their containers has to be accounted for."""
        return self.asked and bool(self.namespace or self.labels or self.pods)


@dataclass(frozen=True, slots=True)
class Plan:
    """One audit.

    :param choice: the profile that is to be enforced; what is placed are its audit variants.
    :param selection: the pods that are watched; with ``references`` the workloads that are changed.
    :param mode: ``audit``: what the profile denies is logged; ``canary``: it is denied and logged.
    :param objects: of a manifest to apply, as ``workload.manifest.read_manifest`` returns them.
    :param object_namespace: of those objects that do not say theirs.
    :param references: the workloads whose pods are put under the audit profile; without them and without objects
        nothing is changed.
    :param include_system: workloads of the system's namespaces too.
    :param rollout_seconds: how long a rollout may take.
    :param keep: leave what was applied, and the profile that it needs.
    :param report: the file that the advice on what to do next names.
    """

    choice: ProfileChoice
    selection: Selection
    seconds: int
    mode: Mode = "audit"
    nodepools: tuple[str, ...] = ()
    objects: tuple[JsonObject, ...] = ()
    object_namespace: str = "default"
    references: tuple[Reference, ...] = ()
    include_system: bool = False
    rollout_seconds: int = ROLLOUT_SECONDS
    keep: bool = False
    report: str = "report.json"
    images: Images = Images()


@dataclass(frozen=True, slots=True)
class PlannedContainer:
    """What is going to happen to one container.

    :param workload: ``Deployment/web``.
    :param container: empty for a workload as a whole.
    :param action: ``restart``, ``copy`` (one that runs beside it), ``none``.
    :param before: the profile that it has, in words.
    :param detail: the name of the audit profile that it gets, or why nothing happens to it.
    """

    namespace: str
    workload: str
    container: str
    action: Literal["restart", "copy", "none"]
    before: str
    detail: str


class Listener(Protocol):
    """Told of what cannot wait for the report."""

    def agree(self, planned: Sequence[PlannedContainer]) -> None:
        """Let the user agree to what is going to happen to workloads; an exception ends the audit before it begins."""

    def notice(self, text: str) -> None:
        """A sentence that the user should read before it goes on."""

    def ready(self, localhost_profile: str, seconds: int) -> None:
        """Every collector that can watches now, for ``seconds``. ``localhost_profile`` is empty when there are several;
        without a manifest it is the user's turn to use it.
        """

    def event(self, event: Event) -> None:
        """A call of a container that is audited."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as the report and its advice name it."""

    name: str
    resource_group: str
    facts: Mapping[str, Any]

    def az(self, words: str) -> str:
        """A command of this extension about this cluster."""
        return f"az aks seccomp {words} -g {self.resource_group} -n {self.name}"


def parse_duration(text: str) -> int:
    """Seconds of ``90s``, ``5m``, ``1h`` or ``1h30m``.

    :raises InvalidInput: it is something else, or not between one second and 24 hours.
    """
    parts: Sequence[tuple[str, str]] = _PART.findall(text) if _DURATION.fullmatch(text) else ()
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InvalidInput(f"{text!r} is not a duration between 1s and 24h.", fix="Write it like 90s, 5m, 1h or 1h30m.")
    return seconds
