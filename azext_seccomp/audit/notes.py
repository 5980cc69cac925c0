# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a report says beside its figures: sentences for an operator."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from azext_seccomp.audit.plan import Cluster, Plan
from azext_seccomp.audit.removal import Removal

_FAILED_SHOWN = 3
_SHOWN = 8


def notes(
    *,
    variant_notes: Iterable[str],
    only_logs: bool,
    early: bool,
    running_before: int,
    confined_before: Sequence[str],
    unfinished: Sequence[str],
    nothing_selected: bool,
    kept: str,
    removals: Sequence[Removal],
    cluster: Cluster,
) -> list[str]:
    """Everything that limits the result or is left to do.

    :param variant_notes: of the audit variant of the profile.
    :param only_logs: the profile is an audit profile itself.
    :param running_before: pods that ran already when the watching began.
    :param confined_before: workloads that had a profile before they were put under an audit profile.
    :param unfinished: sentences on other sessions.
    :param kept: the command that removes what ``--keep`` left; empty when nothing was to be kept.
    """
    said = [*unfinished, *variant_notes]
    if only_logs:
        said.append(
            "The profile refuses nothing and logs something: the calls that it logs are taken for blocked ones."
        )
    if early:
        said.append("The audit was interrupted and ended early.")
    if nothing_selected:
        said.append("No container ran under the audit profile among the pods that were selected, so nothing is known.")
    if running_before:
        pods = "1 pod was" if running_before == 1 else f"{running_before} pods were"
        said.append(f"{pods} running when the audit began: what they did at their start was not seen.")
    if confined_before:
        shown = ", ".join(confined_before[:_SHOWN])
        more = f" and {len(confined_before) - _SHOWN} more" if len(confined_before) > _SHOWN else ""
        said.append(f"Confined by a profile before, and less while it was audited: {shown}{more}.")
    if kept:
        said.append(f"What was applied and the audit profile are kept. Remove them: {kept}")
    return said + _left(removals, cluster)


def _left(removals: Sequence[Removal], cluster: Cluster) -> list[str]:
    failed = [one for one in removals if one.status == "failed"]
    said = []
    for one in removals:
        if one.status == "kept" and one.kind == "File":
            text = f"{one.name} stays on the nodes: {one.detail}."
            if not failed:  # else trying again removes it too
                text += f" Remove it later: {cluster.az('profile remove')} --path {one.name}"
            said.append(text)
        elif one.status == "kept":
            said.append(f"{one.kind} {one.name} stays: {one.detail}.")
        elif one.remarkable and one.status != "failed":
            said.append(f"{one.kind} {one.name}: {one.detail.removesuffix('.')}.")
    if failed:
        named = "; ".join(
            f"{one.kind} {one.name}{f' on {one.node}' if one.node else ''} ({one.detail})"
            for one in failed[:_FAILED_SHOWN]
        )
        said.append(f"Not everything could be removed: {named}. Try again: {cluster.az('cleanup')}")
    return said


def next_commands(report: Mapping[str, Any], plan: Plan, cluster: Cluster) -> list[str]:
    """What to run next: let the profile have what it blocks, or use it."""
    choice = plan.choice
    profile = f"--profile {shlex.quote(choice.identity.source)}"
    if report["verdict"] == "blocked":
        versions = sorted({one["containerd"] for one in report["profile"]["variants"] if one["containerd"]})
        of = [f"{profile} --containerd-version {shlex.quote(version)}" for version in versions] or [profile]
        return [f"az aks seccomp profile refine {one} --report {shlex.quote(plan.report)}" for one in of]
    if report["verdict"] in ("clean", "fallback") and not choice.by_container:
        return [cluster.az("profile place") + f" {profile}"]
    return []
