# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which seccomp profile each container of a pod really runs under, and which containers run under none at all."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from azext_seccomp.cluster.text import printable
from azext_seccomp.workload.templates import CONTAINER_LISTS

# Kata's runtime classes on AKS: kata-mshv-vm-isolation, kata-cc-isolation, kata-vm-isolation.
_MACHINE_RUNTIMES = ("kata",)
# gVisor and WebAssembly shims run no filter of the kernel for the program.
_OTHER_RUNTIMES = ("gvisor", "runsc", "wasm", "spin", "slight", "wws")


class Applied(NamedTuple):
    """A container's profile. ``type``: Unconfined, RuntimeDefault, Localhost (with ``path``), or ``""`` when nothing is
    said and the kubelet decides (``seccompDefault``: Unconfined unless it is set).
    """

    type: str
    path: str = ""

    def __str__(self) -> str:
        if not self.type:
            return "no profile of its own"
        return f"{self.type} {printable(self.path, 200)}" if self.path else self.type


class ContainerProfile(NamedTuple):
    """One container of a pod. ``obstacle``: why no profile has any effect on it; empty when one has."""

    name: str
    applied: Applied
    obstacle: str


def container_profiles(spec: Mapping[str, Any]) -> list[ContainerProfile]:
    """Every container of a pod's spec: init, usual, ephemeral."""
    pod_context = spec.get("securityContext") or {}
    for_all = _pod_obstacle(spec)
    found = []
    for kind in CONTAINER_LISTS:
        for container in spec.get(kind) or ():
            context = container.get("securityContext") or {}
            applied = _applied(context) or _applied(pod_context) or Applied("")
            found.append(ContainerProfile(str(container.get("name", "")), applied, for_all or _obstacle(context)))
    return found


def _applied(context: Mapping[str, Any]) -> Applied | None:
    profile = context.get("seccompProfile")
    if not profile:
        return None
    return Applied(str(profile.get("type", "")), str(profile.get("localhostProfile") or ""))


def _obstacle(context: Mapping[str, Any]) -> str:
    # containerd, internal/cri/server (pkg/cri/server before 2.0) container_create_linux.go: no filter when privileged
    return "it is privileged: containerd gives it no seccomp profile" if context.get("privileged") else ""


def _pod_obstacle(spec: Mapping[str, Any]) -> str:
    if (spec.get("os") or {}).get("name") == "windows":
        return "it runs on Windows, which has no seccomp"
    runtime = str(spec.get("runtimeClassName") or "")
    if runtime.startswith(_MACHINE_RUNTIMES):
        return f"its runtime class {printable(runtime, 64)} runs it on a kernel of its own"
    if any(word in runtime for word in _OTHER_RUNTIMES):
        return f"its runtime class {printable(runtime, 64)} runs it without the kernel's seccomp"
    return ""
