# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the kernel of a node records of a filter's decisions.

``kernel.seccomp.actions_logged`` names the actions that it may record (kernel ``seccomp_log`` in ``kernel/seccomp.c``).
All are in it unless somebody hardened the node; what is left out happens without a record, LOG too, and so without an
event of the gadget: nothing would be found there, whatever a workload does.
"""

from collections.abc import Iterable

from azext_seccomp.profile.model import Action

# ``seccomp_log_names`` in kernel/seccomp.c
_NAMES = {
    Action.KILL_PROCESS: "kill_process",
    Action.KILL_THREAD: "kill_thread",
    Action.KILL: "kill_thread",
    Action.TRAP: "trap",
    Action.ERRNO: "errno",
    Action.NOTIFY: "user_notif",
    Action.TRACE: "trace",
    Action.LOG: "log",
}


def unrecorded(logged: frozenset[str] | None, actions: Iterable[Action]) -> str:
    """Why a kernel would not record all of these actions, or nobody knows whether; empty when it would.

    :param logged: the names in its ``kernel.seccomp.actions_logged``; None where it told nothing: then there is neither
        such a setting nor the action LOG (before Linux 4.14), or nobody may read it.
    """
    actions = frozenset(actions)
    if logged is None and actions:
        return "the node does not tell which seccomp actions its kernel records (kernel.seccomp.actions_logged)"
    logged = logged or frozenset()
    missing = {_NAMES[action] for action in actions if action in _NAMES} - logged
    if not missing:
        return ""
    wanted = " ".join(name for name in dict.fromkeys(_NAMES.values()) if name in missing | logged)
    return (
        f"the kernel of the node does not record the seccomp action {', '.join(sorted(missing))}; there, as root: "
        f"sysctl -w kernel.seccomp.actions_logged='{wanted}'"
    )
