# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp audit`` and ``az aks seccomp cleanup``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_seccomp._clients import reach_cluster
from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import name_of, read_file
from azext_seccomp._follow import TerminalListener
from azext_seccomp._progress import terminal_progress
from azext_seccomp._reports import check_report, write_report
from azext_seccomp.errors import InvalidInput

if TYPE_CHECKING:
    from azext_seccomp.audit.choice import ProfileChoice
    from azext_seccomp.audit.plan import Cluster, Selection
    from azext_seccomp.cluster.arm import ClusterInfo
    from azext_seccomp.cluster.interface import JsonObject

EXIT_CODES = {"blocked": 10, "fallback": 11, "inconclusive": 12}
_SOME_FAILED = 1
_DEFAULT_NAMESPACE = "default"

logger = get_logger(__name__)


def audit_cluster(
    cmd: Any,
    resource_group_name: str,
    name: str,
    profile: str,
    containerd_version: str | None = None,
    docker_format: bool = False,
    mode: str = "audit",
    workload: Sequence[str] | None = None,  # az extends what it is by default
    manifest: str | None = None,
    namespace: str | None = None,
    all_namespaces: bool = False,
    selector: str | None = None,
    pod_name: Sequence[str] = (),
    include_system: bool = False,
    nodepool_name: Sequence[str] = (),
    duration: str = "5m",
    rollout_timeout: str | None = None,
    follow: bool = False,
    keep: bool = False,
    session: str | None = None,
    yes: bool = False,
    report: str | None = None,
    fail_on: Sequence[str] = (),
    ig_image: str | None = None,
    gadget_image: str | None = None,
    installer_image: str | None = None,
    skip_gadget_verification: bool = False,
    admin: bool = False,
) -> dict[str, Any]:
    from azext_seccomp.audit.interrupts import Interrupts
    from azext_seccomp.audit.plan import ROLLOUT_SECONDS, Images, Plan, parse_duration
    from azext_seccomp.audit.session import AuditSession
    from azext_seccomp.cluster.namespace import new_session_id, parse_session_id
    from azext_seccomp.workload.reference import parse_reference

    check_report(report)
    defaults = Images()
    plan = Plan(
        _read_choice(profile, containerd_version or "", docker_format, watches_only=not manifest and not workload),
        _selection(manifest, workload, namespace, all_namespaces, selector, pod_name),
        parse_duration(duration),
        mode="canary" if mode == "canary" else "audit",
        nodepools=tuple(nodepool_name or ()),
        objects=_read_objects(manifest),
        object_namespace=namespace or _DEFAULT_NAMESPACE,
        references=tuple(map(parse_reference, workload or ())),
        include_system=include_system,
        rollout_seconds=parse_duration(rollout_timeout) if rollout_timeout else ROLLOUT_SECONDS,
        keep=keep,
        report=report if report and report.lower().endswith(".json") else "report.json",
        images=Images(
            installer_image or defaults.installer,
            ig_image or defaults.ig,
            gadget_image or defaults.gadget,
            verify_gadget=not skip_gadget_verification,
        ),
    )
    session_id = parse_session_id(session) if session else new_session_id()
    with terminal_progress(cmd.cli_ctx) as progress:
        progress.step("Reaching the cluster")
        watches_only = not plan.objects and not plan.references
        listener = TerminalListener(progress, follow=follow, watches_only=watches_only, agreed=yes)
        with reach_cluster(cmd, resource_group_name, name, admin) as reached:
            result = AuditSession(
                reached.kube,
                plan,
                _cluster(reached.info),
                session_id,
                interrupts=Interrupts(),
                listener=listener,
                progress=progress,
            ).run()
    write_report(cmd.cli_ctx, result, report)
    _conclude(cmd, result, fail_on or (), listener.noticed)
    return result


def cleanup_cluster(
    cmd: Any,
    resource_group_name: str,
    name: str,
    session: str | None = None,
    dry_run: bool = False,
    force: bool = False,
    installer_image: str | None = None,
    admin: bool = False,
) -> list[dict[str, str]]:
    from azext_seccomp.audit.cleanup import clean, rows
    from azext_seccomp.audit.interrupts import Interrupts
    from azext_seccomp.node.inventory import read_nodes

    with terminal_progress(cmd.cli_ctx) as progress:
        progress.step("Reaching the cluster")
        with reach_cluster(cmd, resource_group_name, name, admin) as reached, Interrupts() as interrupts:
            cleaned = clean(
                reached.kube,
                read_nodes(reached.kube),
                session=session or "",
                dry_run=dry_run,
                force=force,
                installer_image=installer_image or "",
                progress=progress,
                stop=interrupts.stop,
            )
    if any(one.status == "partly" for one in cleaned):
        exit_after_output(cmd.cli_ctx, _SOME_FAILED)
    return rows(cleaned)


def _selection(
    manifest: str | None,
    workload: Sequence[str] | None,
    namespace: str | None,
    all_namespaces: bool,
    selector: str | None,
    pod_name: Sequence[str],
) -> Selection:
    """The pods to watch, or the workloads to look for: those of one namespace, as kubectl does it."""
    from azext_seccomp.audit.plan import Selection

    if manifest:
        return Selection()
    if workload and not all_namespaces:
        namespace = namespace or _DEFAULT_NAMESPACE
    return Selection(namespace or "", selector or "", tuple(pod_name or ()))


def _read_choice(word: str, containerd_version: str, docker_format: bool, *, watches_only: bool) -> ProfileChoice:
    from azext_seccomp.audit.choice import DockerProfile, OneProfile, RuntimeDefault
    from azext_seccomp.profile.source import Options, is_runtime_default, load

    choice: ProfileChoice
    if is_runtime_default(word):
        choice = RuntimeDefault(containerd_version)
    elif docker_format:
        choice = DockerProfile(read_file(word), name_of(word))
    else:
        choice = OneProfile(load(read_file(word), name_of(word), Options()), name_of(word))
    if choice.by_container and watches_only:
        raise InvalidInput(
            f"{choice.identity.name} cannot be audited by watching only.",
            why="It depends on the capabilities of each container, so there is no one profile to use in all of them.",
            fix="Give --workload or --manifest, for each container to get its own.",
        )
    return choice


def _read_objects(path: str | None) -> tuple[JsonObject, ...]:
    from azext_seccomp.workload.manifest import MAX_MANIFEST_BYTES, read_manifest

    if path is None:
        return ()
    return tuple(read_manifest(read_file(path, MAX_MANIFEST_BYTES), name_of(path)))


def _cluster(info: ClusterInfo) -> Cluster:
    from azext_seccomp.audit.plan import Cluster

    facts = {
        "id": info.id,
        "name": info.name,
        "resourceGroup": info.resource_group,
        "location": info.location,
        "kubernetesVersion": info.kubernetes_version,
    }
    return Cluster(info.name, info.resource_group, facts)


def _conclude(cmd: Any, report: dict[str, Any], fail_on: Sequence[str], shown: Collection[str]) -> None:
    """What the table has no room for goes to standard error; the exit code says the verdict when it was asked to."""
    if cmd.cli_ctx.invocation.data["output"] in ("table", "tsv"):
        for line in _summary(report):
            if line not in shown:
                logger.warning("%s", line)
    if any(one["status"] == "failed" for one in report["leftovers"]):
        exit_after_output(cmd.cli_ctx, _SOME_FAILED)
    elif report["verdict"] in fail_on:
        exit_after_output(cmd.cli_ctx, EXIT_CODES[report["verdict"]])


def _summary(report: dict[str, Any]) -> list[str]:
    lines = [f"Verdict: {report['verdict']}"]
    lines += [f"{one['namespace']} {one['kind']}/{one['name']}: {_in_words(one)}" for one in report["workloads"]]
    for one in report["notAuditable"]:
        what = f"{one['pod']} container {one['container']}" if one["pod"] else one["workload"]
        lines.append(f"Not audited: {one['namespace']}/{what}: {one['reason']}")
    lines += [
        f"Node {one['name']}: {one['status']}{', lost at least ' + str(one['lost']) + ' events' if one['lost'] else ''}"
        + (f": {one['detail']}" if one["detail"] else "")
        for one in report["nodes"]
        if one["lost"] or one["status"] in ("failed", "skipped")
    ]
    return [*lines, *report["notes"], *(f"Next: {command}" for command in report["next"])]


def _in_words(workload: dict[str, Any]) -> str:
    """Its verdict with the reasons, and what that rests on."""
    seen = workload["observed"]
    pods = "1 pod" if seen["pods"] == 1 else f"{seen['pods']} pods"
    restarts = "1 restart" if seen["restarts"] == 1 else f"{seen['restarts']} restarts"
    reasons = f" ({'; '.join(workload['reasons'])})" if workload["reasons"] else ""
    return f"{workload['verdict']}{reasons}; seen for {seen['seconds']} s in {pods}, {restarts}"
