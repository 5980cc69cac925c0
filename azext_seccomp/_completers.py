# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Completion of arguments in the shell."""

from __future__ import annotations

from typing import Any


def complete_syscalls(**_: Any) -> list[str]:
    """Names of syscalls."""
    from azext_seccomp.profile.syscalls import known

    return sorted(known())


def complete_containerd_versions(**_: Any) -> list[str]:
    """The versions of containerd at which RuntimeDefault changed."""
    from azext_seccomp.profile.runtime_default import known_versions

    return list(known_versions())


def complete_capabilities(**_: Any) -> list[str]:
    """Names of capabilities."""
    from azext_seccomp.profile.capabilities import ALL

    return ["ALL", *sorted(ALL)]
