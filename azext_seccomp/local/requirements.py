# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Whether ``try`` can work here. The rest of this package can only be imported where it can: hence the late imports."""

import sys

from azext_seccomp.errors import Unsupported


def require_linux() -> None:
    """
    :raises Unsupported: this machine cannot supervise a command.
    """
    elsewhere = "Use it in Azure Cloud Shell, in a Linux container or VM, or 'az aks seccomp audit' on a cluster."
    if not sys.platform.startswith("linux"):
        raise Unsupported(
            "'az aks seccomp try' needs Linux.", why="seccomp is part of the Linux kernel.", fix=elsewhere
        )
    from azext_seccomp.local import kernel

    if kernel.native_architecture() is None:
        raise Unsupported(
            "This machine's architecture is not supported.", why="AKS has amd64 and arm64.", fix=elsewhere
        )
    if not kernel.can_notify():
        raise Unsupported(
            "This kernel offers no seccomp user notification to this process.",
            why="It is older than Linux 5.5, built without it, or a filter around this process refuses seccomp(2).",
            fix=elsewhere,
        )


def require_architecture(wanted: str | None) -> str:
    """This machine's architecture, amd64 or arm64; what runs here can only be tried for it.

    :param wanted: the architecture that was asked for, if any.
    :raises Unsupported: this machine cannot supervise a command, or has another architecture.
    """
    require_linux()
    from azext_seccomp.local import kernel

    native = kernel.native_architecture()
    if native is None or wanted not in (None, native):
        raise Unsupported(
            f"A profile for {wanted} cannot be tried on this machine.",
            why=f"Programs of this machine are {native} ones.",
            fix="Leave --arch out, or run it on a machine of that architecture.",
        )
    return native
