# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What happens to a call under a profile."""

import errno as errnos
from dataclasses import dataclass

from azext_seccomp.profile.model import Action

_WITH_ERRNO = frozenset({Action.ERRNO, Action.TRACE})
#: How much harm an action does to the caller; ALLOW and LOG do none.
_SEVERITY = {
    Action.ALLOW: 0,
    Action.LOG: 0,
    Action.TRACE: 2,
    Action.NOTIFY: 2,
    Action.ERRNO: 3,
    Action.TRAP: 4,
    Action.KILL_THREAD: 5,
    Action.KILL_PROCESS: 6,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for a call.

    :param action: never KILL, which is KILL_THREAD.
    :param errno: what the call returns for ERRNO (0: it "succeeds" without being made), what the tracer gets for
        TRACE; None otherwise.
    """

    action: Action
    errno: int | None = None

    @property
    def denies(self) -> bool:
        """Whether the call is not simply carried out."""
        return self.severity > 0

    @property
    def severity(self) -> int:
        """How much harm it does to the caller; 0 for calls that are carried out."""
        return _SEVERITY[self.action]

    @property
    def falls_back(self) -> bool:
        """Whether the answer is ENOSYS, "no such syscall here", to which programs have an alternative by design."""
        return self.action is Action.ERRNO and self.errno == errnos.ENOSYS


FALLBACK = Decision(Action.ERRNO, errnos.ENOSYS)
#: libseccomp's action for calls of an architecture that the filter does not have (SCMP_FLTATR_ACT_BADARCH; runc
#: leaves it alone).
BAD_ARCHITECTURE = Decision(Action.KILL_THREAD)


def decision_of(action: Action, errno_ret: int | None) -> Decision:
    """The decision that an action of a profile stands for; without errnoRet it is EPERM (runc ``getAction``)."""
    if action is Action.KILL:
        return Decision(Action.KILL_THREAD)
    if action in _WITH_ERRNO:
        return Decision(action, errnos.EPERM if errno_ret is None else errno_ret)
    return Decision(action)
