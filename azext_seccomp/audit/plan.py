# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is to be audited, and how: the arguments of one audit, checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from azext_seccomp.audit.choice import ProfileChoice
from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import InvalidInput
from azext_seccomp.gadget.event import Event
from azext_seccomp.gadget.manifest import DEFAULT_GADGET_IMAGE, DEFAULT_IG_IMAGE
from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE

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
    """

    namespace: str = ""
    labels: str = ""
    pods: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether the user named pods: then each of their containers has to be accounted for."""
        return bool(self.namespace or self.labels or self.pods)


@dataclass(frozen=True, slots=True)
class Plan:
    """One audit.

    :param choice: the profile that is to be enforced; what is placed are its audit variants.
    :param objects: of a manifest to apply, as ``workload.manifest.read_manifest`` returns them; none to watch only.
    :param object_namespace: of those objects that do not say theirs.
    :param keep: leave what was applied, and the profile that it needs.
    """

    choice: ProfileChoice
    selection: Selection
    seconds: int
    nodepools: tuple[str, ...] = ()
    objects: tuple[JsonObject, ...] = ()
    object_namespace: str = "default"
    keep: bool = False
    images: Images = Images()


class Listener(Protocol):
    """Told of what cannot wait for the report."""

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
