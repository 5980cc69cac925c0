# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp audit`` and ``az aks seccomp cleanup``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_seccomp._clients import reach_cluster
from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import name_of, read_file
from azext_seccomp._follow import TerminalListener
from azext_seccomp._progress import terminal_progress
from azext_seccomp.errors import InvalidInput

if TYPE_CHECKING:
    from azext_seccomp.audit.choice import ProfileChoice
    from azext_seccomp.audit.plan import Cluster
    from azext_seccomp.cluster.arm import ClusterInfo
    from azext_seccomp.cluster.interface import JsonObject

EXIT_CODES = {"blocked": 10, "fallback": 11, "inconclusive": 12}
_SOME_FAILED = 1

logger = get_logger(__name__)


def audit_cluster(
    cmd: Any,
    resource_group_name: str,
    name: str,
    profile: str,
    containerd_version: str | None = None,
    docker_format: bool = False,
    namespace: str | None = None,
    all_namespaces: bool = False,
    selector: str | None = None,
    pod_name: Sequence[str] | None = None,
    nodepool_name: Sequence[str] | None = None,
    duration: str = "5m",
    follow: bool = False,
    manifest: str | None = None,
    keep: bool = False,
    fail_on: Sequence[str] | None = None,
    ig_image: str | None = None,
    gadget_image: str | None = None,
    installer_image: str | None = None,
    skip_gadget_verification: bool = False,
    admin: bool = False,
) -> dict[str, Any]:
    from azext_seccomp.audit.interrupts import Interrupts
    from azext_seccomp.audit.plan import Images, Plan, Selection, parse_duration
    from azext_seccomp.audit.session import AuditSession
    from azext_seccomp.cluster.namespace import new_session_id

    seconds = parse_duration(duration)
    choice = _read_choice(profile, containerd_version or "", docker_format)
    if choice.by_container and manifest is None:
        raise InvalidInput(
            f"{choice.identity.name} cannot be audited by watching only.",
            why="It depends on the capabilities of each container, so there is no one profile to use in all of them.",
            fix="Give --manifest, for each container to get its own.",
        )
    defaults = Images()
    plan = Plan(
        choice,
        Selection("" if manifest else namespace or "", selector or "", tuple(pod_name or ())),
        seconds,
        nodepools=tuple(nodepool_name or ()),
        objects=_read_objects(manifest),
        object_namespace=namespace or "default",
        keep=keep,
        images=Images(
            installer_image or defaults.installer,
            ig_image or defaults.ig,
            gadget_image or defaults.gadget,
            verify_gadget=not skip_gadget_verification,
        ),
    )
    with terminal_progress(cmd.cli_ctx) as progress:
        progress.step("Reaching the cluster")
        with reach_cluster(cmd, resource_group_name, name, admin) as reached:
            session = AuditSession(
                reached.kube,
                plan,
                _cluster(reached.info),
                new_session_id(),
                interrupts=Interrupts(),
                listener=TerminalListener(progress, follow=follow, watches_only=manifest is None),
                progress=progress,
            )
            report = session.run()
    _conclude(cmd, report, fail_on or ())
    return report


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


def _read_choice(word: str, containerd_version: str, docker_format: bool) -> ProfileChoice:
    from azext_seccomp.audit.choice import DockerProfile, OneProfile, RuntimeDefault
    from azext_seccomp.profile.source import Options, is_runtime_default, load

    if is_runtime_default(word):
        return RuntimeDefault(containerd_version)
    content, source = read_file(word), name_of(word)
    if docker_format:
        return DockerProfile(content, source)
    return OneProfile(load(content, source, Options()), source)


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


def _conclude(cmd: Any, report: dict[str, Any], fail_on: Sequence[str]) -> None:
    """What the table has no room for goes to standard error; the exit code says the verdict when it was asked to."""
    if cmd.cli_ctx.invocation.data["output"] in ("table", "tsv"):
        for line in _summary(report):
            logger.warning(line)
    if report["verdict"] in fail_on:
        exit_after_output(cmd.cli_ctx, EXIT_CODES[report["verdict"]])


def _summary(report: dict[str, Any]) -> list[str]:
    lines = [f"Verdict: {report['verdict']}"]
    for one in report["workloads"]:
        reasons = f" ({'; '.join(one['reasons'])})" if one["reasons"] else ""
        lines.append(f"{one['namespace']} {one['kind']}/{one['name']}: {one['verdict']}{reasons}")
    lines += [
        f"Not audited: {one['namespace']}/{one['pod']} container {one['container']}: {one['reason']}"
        for one in report["notAuditable"]
    ]
    lines += [
        f"Node {one['name']}: {one['status']}{', lost at least ' + str(one['lost']) + ' events' if one['lost'] else ''}"
        + (f": {one['detail']}" if one["detail"] else "")
        for one in report["nodes"]
        if one["lost"] or one["status"] in ("failed", "skipped")
    ]
    return [*lines, *report["notes"]]
