# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An audit of workloads that are there already: their pods get the audit profiles for a while, and then what they had.

What cannot be changed in place (Jobs, CronJobs, bare Pods) runs as a copy beside the original, which is left as it is.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from azext_seccomp.audit import manifest_objects
from azext_seccomp.audit.exercise import Exercise, Pump, Record, unprepared
from azext_seccomp.audit.journal import JournalObject
from azext_seccomp.audit.plan import PlannedContainer, Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.restoring import put_back
from azext_seccomp.audit.rollouts import wait_rolled_out
from azext_seccomp.audit.subject import Subject, auditable, before, elsewhere, left_out, require_free
from azext_seccomp.audit.verdict import Workload
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import NotFound, SeccompError, Unauthenticated, Unreachable, WrongState
from azext_seccomp.progress import Progress
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.change import FormerWorkload, is_switched, plan_change
from azext_seccomp.workload.copies import copy_of
from azext_seccomp.workload.find import Candidate
from azext_seccomp.workload.manifest import ManifestObject
from azext_seccomp.workload.owner import Owner
from azext_seccomp.workload.revisions import Histories, history_is_full
from azext_seccomp.workload.rollout import unrest
from azext_seccomp.workload.switching import dry_run, switch
from azext_seccomp.workload.templates import PathOf, containers_in
from azext_seccomp.workload.writers import last_writer

_TEND_SECONDS = 2.0  # between two looks at a workload, however many there are
_REASONS_SHOWN = 5
_CONFINING = ("RuntimeDefault", "Localhost")


class SwitchedWorkloads(Exercise):
    """The workloads that were found.

    :param pools: the node pools that get the profiles; all when there is none.
    :param rollout_seconds: how long a rollout may take.
    :param vouch: raises an error when the session's journal is not there any more: nothing may be changed then.
    :param stop: ends the waiting for rollouts.
    :raises Conflict: another session audits one of them.
    """

    makes = True
    anywhere = True

    def __init__(
        self,
        kube: Kube,
        session: str,
        candidates: Sequence[Candidate],
        *,
        pools: Sequence[str],
        rollout_seconds: float,
        vouch: Callable[[], None],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._kube = kube
        self._session = session
        self._rollout_seconds = rollout_seconds
        self._vouch = vouch
        self._stop = stop
        self._progress = progress
        require_free(candidates)
        why = [(one, one.obstacle or elsewhere(one, pools)) for one in candidates]
        self._left_out = [left_out(one, obstacle) for one, obstacle in why if obstacle]
        self._subjects = [Subject(one, before(one)) for one, obstacle in why if not obstacle]
        self._path_of: PathOf = unprepared
        self._active: list[Subject] = []
        self._looked = 0.0
        spaces = {one.namespace for one in candidates}
        super().__init__(Selection(namespace=spaces.pop() if len(spaces) == 1 else "", asked=False))

    def containers(self) -> Iterator[Mapping[str, Any]]:
        """Those that can be audited, and all of what is copied."""
        for one in self._subjects:
            yield from (
                auditable(one.candidate) if one.candidate.treatment == "patch" else containers_in(one.candidate.body)
            )

    def prepare(self, profiles: ProfileSet) -> None:
        """Plan every change and let the API server and its policies judge it; what they refuse is left out.

        :raises WrongState: nothing is left to audit.
        """
        self._path_of = lambda container: profiles.path_for(capabilities_of(container))
        for number, one in enumerate(list(self._subjects)):
            self._progress.step("Asking the cluster about the changes", number, len(self._subjects))
            refused = self._plan(one)
            if refused:
                self._subjects.remove(one)
                self._left_out.append(left_out(one.candidate, refused))
        if not self._subjects:
            shown = [f"{one.workload} in {one.namespace}: {one.reason}" for one in self._left_out[:_REASONS_SHOWN]]
            more = f" and {len(self._left_out) - len(shown)} more" if len(self._left_out) > len(shown) else ""
            raise WrongState(
                "None of the workloads can be audited.",
                why=printable("; ".join(shown), 1500) + more,
                fix="Name other workloads, or audit a manifest of your own with --manifest.",
            )

    def planned(self) -> list[PlannedContainer]:
        """Every container of every workload that was selected, for the user to agree."""
        rows = [row for one in self._subjects for row in one.rows(self._path_of)]
        rows += [PlannedContainer(one.namespace, one.workload, "", "none", "", one.reason) for one in self._left_out]
        return sorted(rows, key=lambda row: (row.namespace, row.workload))

    def remarks(self) -> list[str]:
        """Whose history of revisions cannot hold one more; nothing when the cluster does not let us look."""
        histories = Histories(self._kube)
        patched = [one.candidate for one in self._subjects if one.former is not None]
        try:
            full = [f"{one.kind}/{one.name}" for one in patched if history_is_full(histories, one.body)]
        except SeccompError:
            return []
        if not full:
            return []
        return [f"Their oldest revision is lost, because they keep no more of them: {', '.join(full)}."]

    def objects(self) -> tuple[JournalObject, ...]:
        """The copies."""
        return manifest_objects.planned(self._copies())

    def workloads(self) -> tuple[FormerWorkload, ...]:
        """What they were."""
        return tuple(one.former for one in self._subjects if one.former is not None)

    def stand_ins(self) -> Mapping[Owner, Owner]:
        """The copies, with their originals."""
        return {
            Owner(one.copy.namespace, one.copy.resource.kind, one.copy.name): Owner(*one.key)
            for one in self._subjects
            if one.copy is not None
        }

    def begin(self, pump: Pump, record: Record) -> int | None:
        """Switch all, then wait until they run under the audit profiles. One that gets stuck is put back at once."""
        copies = self._copies()
        if copies:
            record(manifest_objects.create(self._kube, copies, self._session, self._path_of, self._progress))
        switched = self._switch(pump)
        by_uid = {one.former.uid: one for one in switched if one.former is not None}

        def settled(former: FormerWorkload, stuck: str) -> None:
            subject = by_uid[former.uid]
            if not stuck:
                self._active.append(subject)
            else:
                subject.reasons += (self._lost(subject) or f"its rollout under the audit profile got stuck: {stuck}",)
                put_back(self._kube, former, self._session)  # what fails here is tried again in the end

        wait_rolled_out(
            self._kube,
            [one.former for one in switched if one.former is not None],
            settled,
            switched=True,
            pump=pump,
            stop=self._stop,
            progress=self._progress,
            seconds=self._rollout_seconds,
        )
        self._active += [one for one in self._subjects if one.copy is not None]
        return manifest_objects.pods_that_end(copies) if not self.workloads() else None

    def tend(self) -> bool:
        """Notice when somebody else takes the audit profile away."""
        patched = [one for one in self._active if one.former is not None]
        if patched and time.monotonic() - self._looked >= _TEND_SECONDS:
            self._looked = time.monotonic()
            subject = patched[0]
            self._active.remove(subject)
            lost = self._lost(subject)
            if lost:
                subject.reasons += (lost,)
            else:
                self._active.append(subject)
        return bool(self._active)

    def end(self) -> None:
        """Look once more at all of them: nothing may have been watched that nobody noticed was lost."""
        for one in self._subjects:
            if one.former is None or one.reasons:
                continue
            if one not in self._active:
                one.reasons += ("the audit was ended before it ran under the audit profile",)
            elif lost := self._lost(one):
                one.reasons += (lost,)

    def described(self, seen: Sequence[Workload]) -> list[Workload]:
        """Every workload of the plan, seen or not."""
        by_key = {one.key: one for one in seen}
        return [
            replace(
                by_key.get(one.key, Workload(*one.key)),
                reasons=(*by_key.get(one.key, Workload(*one.key)).reasons, *one.reasons),
                treatment="patched" if one.former is not None else "copied",
                before={name: str(applied) for name, applied in one.before.items()},
            )
            for one in sorted(self._subjects, key=lambda one: one.key)
        ]

    def not_auditable(self) -> list[NotAuditable]:
        """What was left out."""
        return self._left_out

    def confined_before(self) -> list[str]:
        """Those with a container that had a profile."""
        return [
            f"{one.candidate.kind}/{one.candidate.name}"
            for one in self._subjects
            if one.former is not None and any(applied.type in _CONFINING for applied in one.before.values())
        ]

    def _plan(self, one: Subject) -> str:
        """Why it cannot be audited after all; empty when it can.

        :raises Unauthenticated, Unreachable: nobody can be asked.
        """
        try:
            if one.candidate.treatment == "patch":
                one.former = plan_change(one.candidate, self._path_of)
                return unrest(one.candidate.kind, one.candidate.body) or dry_run(self._kube, one.former, self._session)
            body = copy_of(one.candidate, self._session)
            resource = self._kube.resource(body["apiVersion"], body["kind"])
            one.copy = ManifestObject(body, resource, one.candidate.namespace, makes_pods=True)
            manifest_objects.dry_run(self._kube, [one.copy], self._session, self._path_of)
        except (Unauthenticated, Unreachable):
            raise  # says nothing about the workload
        except SeccompError as error:
            return printable(str(error), 500)
        return ""

    def _copies(self) -> list[ManifestObject]:
        return [one.copy for one in self._subjects if one.copy is not None]

    def _switch(self, pump: Pump) -> list[Subject]:
        """
        :raises SeccompError: not one of several could be switched; the error of the first.
        """
        switched, errors = [], []
        patched = [one for one in self._subjects if one.former is not None]
        for number, one in enumerate(patched):
            if self._stop.is_set() or one.former is None:
                break
            self._progress.step("Switching the workloads to the audit profile", number, len(patched))
            pump(0)
            self._vouch()
            try:
                switch(self._kube, one.former, self._session)
                switched.append(one)
            except SeccompError as error:
                errors.append(error)
                one.reasons += (f"it could not be switched to the audit profile: {error}",)
        if errors and not switched and not self._copies():
            raise errors[0]
        return switched

    def _lost(self, one: Subject) -> str:
        """Why it does not run under the audit profile any more; empty when it does or nobody knows."""
        if one.former is None:
            return ""
        try:
            body = self._kube.get(one.candidate.path)
        except NotFound:
            return "it was deleted during the audit"
        except SeccompError:
            return ""
        if body["metadata"].get("uid") != one.former.uid:
            return "it was deleted and made anew during the audit"
        if is_switched(body, one.former):
            return ""
        by = last_writer(body)
        return f"its audit profile was taken away during the audit{f' by {by}' if by else ''}: is it managed by GitOps?"
