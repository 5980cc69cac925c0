# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The capabilities of a container, on which containerd's RuntimeDefault profile depends."""

import difflib
from collections.abc import Iterable

from azext_seccomp.errors import InvalidInput

#: What a container gets that asks for nothing (containerd ``pkg/oci/spec.go``, ``defaultUnixCaps``).
DEFAULT = frozenset(
    {
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    }
)
#: Every capability of Linux 5.9 and later (``include/uapi/linux/capability.h``).
ALL = DEFAULT | {
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_NET_ADMIN",
    "CAP_NET_BROADCAST",
    "CAP_PERFMON",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
}
_EVERY = "ALL"


def bounding(add: Iterable[str] = (), drop: Iterable[str] = ()) -> frozenset[str]:
    """The capabilities of a container whose securityContext adds and drops some.

    ALL comes first, then single names; what is both added and dropped is dropped (containerd
    ``internal/cri/opts/spec_linux_opts.go``, ``WithCapabilities``).

    :param add: names with or without CAP_, in any case, or ALL.
    :param drop: likewise.
    :raises InvalidInput: no such capability.
    """
    adds, drops = {normalise(name) for name in add}, {normalise(name) for name in drop}
    capabilities = ALL if _EVERY in adds else DEFAULT
    if _EVERY in drops:
        capabilities = frozenset()
    return frozenset((capabilities | adds) - drops - {_EVERY})


def normalise(name: str) -> str:
    """``sys_admin`` as CAP_SYS_ADMIN; ALL stays.

    :raises InvalidInput: no such capability.
    """
    upper = name.strip().upper()
    if upper == _EVERY:
        return upper
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in ALL:
        near = difflib.get_close_matches(full[:64], sorted(ALL), n=1, cutoff=0.75)
        fix = f"Did you mean {near[0]}?" if near else "See man 7 capabilities for the names there are."
        raise InvalidInput(f"{name} is not a capability.", fix=fix)
    return full


def in_words(capabilities: frozenset[str]) -> str:
    """A bounding set as an operator would ask for it, such as ``default - NET_RAW`` or ``none + NET_BIND_SERVICE``."""
    bases = {"default": DEFAULT, "none": frozenset[str](), "all": ALL}
    base = min(bases, key=lambda name: len(bases[name] ^ capabilities))  # the first of several
    changes = (("+", capabilities - bases[base]), ("-", bases[base] - capabilities))
    signs = [f"{sign} {name.removeprefix('CAP_')}" for sign, names in changes for name in sorted(names)]
    return " ".join((base, *signs))
