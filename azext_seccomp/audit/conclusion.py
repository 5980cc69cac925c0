# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report of a session, put together from everything that it has learnt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from azext_seccomp.audit.advice import advice
from azext_seccomp.audit.exercise import Exercise
from azext_seccomp.audit.notes import next_commands, notes
from azext_seccomp.audit.plan import Cluster, Plan
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.removal import Removal, rows
from azext_seccomp.audit.report import Run, build
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.audit.targets import Targets
from azext_seccomp.audit.verdict import NodeCoverage, Workload
from azext_seccomp.audit.watch import Watched
from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.node.inventory import Chosen
from azext_seccomp.node.placement import NodeOutcome


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a session knows in the end.

    :param outcomes: of the placing, one for each of ``chosen.usable``.
    :param joined: nodes that became ready meanwhile.
    :param removals: what became of all that it made and changed.
    :param said: sentences that came up on the way.
    :param cleanup: the command that removes what is left of this one.
    """

    session: str
    plan: Plan
    cluster: Cluster
    profiles: ProfileSet
    exercise: Exercise
    chosen: Chosen
    outcomes: Sequence[NodeOutcome]
    joined: Sequence[NodeCoverage]
    targets: Targets
    watched: Watched
    removals: Sequence[Removal]
    said: Sequence[str]
    cleanup: str

    def report(self) -> JsonObject:
        """The report."""
        workloads = self._workloads()
        by_key = {one.key: one for one in workloads}

        def workload_of(namespace: str, pod: str) -> Workload | None:
            owner = self.targets.owner_of(namespace, pod)
            return None if owner is None else by_key.get((owner.namespace, owner.kind, owner.name))

        started, ended = self.watched.started_ns, self.watched.ended_ns
        report: dict[str, Any] = build(
            Run(self.session, self.cluster.facts, self.plan.choice.identity, self.plan.mode, started, ended),
            self.watched.findings,
            workloads=workloads,
            workload_of=workload_of,
            rule=ProfileRule(self.profiles, self.targets.profile_of),
            nodes=self._coverage(),
            not_auditable=[*self.exercise.not_auditable(), *self.targets.not_auditable()],
            advice=advice,
        )
        report["profile"] |= {"localhostProfile": self.profiles.only_path, "variants": self.profiles.rows()}
        report["notes"] = notes(
            variant_notes=self.profiles.notes,
            only_logs=self.profiles.only_logs,
            early=self.watched.early,
            running_before=self.targets.running_before(),
            confined_before=self.exercise.confined_before() if self.plan.mode == "audit" else (),
            unfinished=self.said,
            nothing_selected=not workloads,
            kept=self.cleanup if self.plan.keep else "",
            removals=self.removals,
            cluster=self.cluster,
        )
        report["leftovers"] = rows(self.removals)
        report["next"] = next_commands(report, self.plan, self.cluster)
        return report

    def _workloads(self) -> list[Workload]:
        """Calls of pods that came and went unseen may be any workload's. With a label selector (a manifest has one too)
        the pods that it leaves out are just as unknown, so there it says nothing.
        """
        workloads = self.exercise.described(self.targets.workloads())
        if not self.watched.unknown_events or self.exercise.selection.labels:
            return workloads
        doubt = f"logged calls came from pods that were never seen: {self.watched.unknown_events}"
        return [replace(one, reasons=(*one.reasons, doubt)) for one in workloads]

    def _coverage(self) -> list[NodeCoverage]:
        states = {state.node: state for state in self.watched.states}
        covered = []
        for node, outcome in zip(self.chosen.usable, self.outcomes, strict=True):
            state = states.get(node.name)
            if state is None:
                why = "the audit was interrupted before it was watched" if outcome.ok else f"profile: {outcome.detail}"
                covered.append(NodeCoverage(node.name, node.pool, "failed", detail=why))
            else:
                covered.append(NodeCoverage(node.name, node.pool, state.status, state.events, state.lost, state.detail))
        joined = {one.name for one in self.joined}
        skipped = [
            NodeCoverage(node.name, node.pool, "skipped", detail=reason)
            for node, reason in self.chosen.skipped
            if node.name not in joined
        ]
        return [*covered, *self.joined, *skipped]
