# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Events on their way from the collectors into the findings: those of audited containers, nothing else."""

from collections import deque

from azext_seccomp.audit.aggregate import ContainerKey, Findings
from azext_seccomp.audit.plan import Listener
from azext_seccomp.audit.targets import Targets
from azext_seccomp.gadget.event import Event

_MAX_HELD = 1000


class Recorder:
    """Counts events. An event may arrive before the watch of pods has told of its pod: it is counted at once, and told
    to the listener when it is known whose it is.
    """

    def __init__(self, targets: Targets, listener: Listener) -> None:
        self.findings = Findings()
        self.unknown_events = 0
        """Known after ``finish``: events of pods that the watch never told of."""
        self._targets = targets
        self._listener = listener
        self._held: deque[Event] = deque(maxlen=_MAX_HELD)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        # A pod that is not audited may have been replaced by one of its name that is (StatefulSets do so), and the
        # watch of pods may not have told of that yet: who is meant is known in the end only.
        self.findings.add(event)
        audited = self._targets.audits(event.namespace, event.pod, event.container)
        if audited:
            self._listener.event(event)
        else:
            self._held.append(event)

    def release(self) -> None:
        """Tell the listener of events whose pods have become known."""
        for _ in range(len(self._held)):
            event = self._held.popleft()
            audited = self._targets.audits(event.namespace, event.pod, event.container)
            if audited:
                self._listener.event(event)
            elif audited is None:
                self._held.append(event)

    def finish(self) -> Findings:
        """The findings of audited containers; those of pods that the watch never told of are only counted."""
        self.release()
        self.unknown_events = sum(
            one.count
            for one in self.findings.all()
            if self._targets.audits(one.namespace, one.pod, one.container) is None
        )
        self.findings.keep(self._is_audited)
        return self.findings

    def _is_audited(self, key: ContainerKey) -> bool:
        return self._targets.audits(*key) is True
