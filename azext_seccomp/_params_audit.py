# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The arguments of ``audit`` and ``cleanup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.cli.core.commands.parameters import get_enum_type
from knack.arguments import CLIArgumentType

from azext_seccomp._params_profile import DEPENDENCIES, PROFILE

if TYPE_CHECKING:
    from azext_seccomp import SeccompCommandsLoader

FAIL_ON = CLIArgumentType(
    overrides=get_enum_type(["blocked", "fallback", "inconclusive"]),
    options_list=["--fail-on"],
    nargs="+",
    help="Verdicts, separated by spaces, with which az exits with 10 (blocked), 11 (fallback) or 12 (inconclusive). "
    "Default: it exits with 0 whatever the verdict.",
)

REPORT = CLIArgumentType(
    options_list=["--report"],
    help="Also write the result to this file, as its name ends: .json, which profile refine takes, .sarif "
    "(SARIF 2.1.0 for code scanning), .xml (JUnit) or .html (a page to look at).",
)


def load_audit_arguments(loader: SeccompCommandsLoader) -> None:
    """Register them. What commands that reach a cluster have in common is registered elsewhere."""
    _audit(loader)
    _images(loader)
    with loader.argument_context("aks seccomp cleanup") as context:
        context.argument("session", help="Only this session, as an audit's result and --dry-run show it. Default: all.")
        context.argument("dry_run", action="store_true", help="Show what there is and remove nothing.")
        context.argument(
            "force",
            action="store_true",
            help="Do not wait to see whether a session is still running, and end those that are.",
        )


def _audit(loader: SeccompCommandsLoader) -> None:
    with loader.argument_context("aks seccomp audit") as context:
        context.argument(
            "profile",
            arg_type=PROFILE,
            help=f"The profile that is to be enforced; what it denies is logged for the audit and let through. "
            f"{PROFILE.settings['help']}",
        )
        context.argument(
            "containerd_version",
            arg_type=DEPENDENCIES["containerd_version"],
            help="Version of containerd whose RuntimeDefault is meant, such as that of the next upgrade, for example "
            "2.0.7. Default: that of each node.",
        )
        context.argument(
            "docker_format",
            arg_type=DEPENDENCIES["docker_format"],
            help="Read the file in Docker's format (archMap, includes, excludes, minKernel) and render it for each "
            "node and the capabilities of each container.",
        )
        context.argument(
            "mode",
            arg_type=get_enum_type(["audit", "canary"], default="audit"),
            help="audit: what the profile denies is logged and let through. canary: it is denied as the profile says, "
            "and logged; the nodes need runc 1.2 or later, which is found out first.",
        )
        context.argument(
            "workload",
            options_list=["--workload", "-w"],
            nargs="+",
            action="extend",
            help="Workloads to put under the audit profile for the time of the audit and back, separated by spaces: "
            "KIND/NAME, or KIND for all of a kind, or all for every Deployment, StatefulSet and DaemonSet. Pods "
            "restart twice. Of Jobs, CronJobs and bare Pods a copy runs, and they are left as they are.",
        )
        context.argument(
            "namespace",
            help="Only pods or workloads of this namespace. For objects of a manifest that do not name theirs, and for "
            "--workload: default, if it is not given.",
        )
        context.argument(
            "all_namespaces",
            options_list=["--all-namespaces", "-A"],
            action="store_true",
            help="Pods of all namespaces, which is the default, or workloads of all namespaces.",
        )
        context.argument(
            "selector",
            options_list=["--selector", "-l"],
            help="Only pods, or with --workload KIND only workloads, that this label selector selects.",
        )
        context.argument(
            "include_system",
            action="store_true",
            help="Also put workloads in kube-system and other namespaces of the system under the audit profile.",
        )
        context.argument(
            "rollout_timeout",
            help="How long the rollout of a workload may take until it counts as stuck and is put back: 90s, 5m, 1h. "
            "One whose new pods cannot start, for the same reason for 20 seconds, is stuck at once. Default: 5m.",
        )
        context.argument(
            "session",
            help="A name for this audit, for cleanup and for the objects that it creates. Default: a random one.",
        )
        context.argument(
            "yes",
            options_list=["--yes", "-y"],
            action="store_true",
            help="Do not ask before workloads are changed.",
        )
        context.argument("pod_name", nargs="+", help="Only pods of these names, separated by spaces.")
        context.argument(
            "duration",
            help="How long to watch: 90s, 5m, 1h, 1h30m; at most 24h. Ctrl-C ends it early and still reports.",
        )
        context.argument("follow", action="store_true", help="Show each call on standard error as it is made.")
        context.argument(
            "manifest",
            options_list=["--manifest", "-f"],
            help="YAML or JSON file whose objects are applied for the audit, all their containers under the audit "
            "profile, and deleted afterwards; - reads standard input. Objects that exist already are refused.",
        )
        context.argument(
            "keep",
            action="store_true",
            help="Leave the objects of the manifest, and the audit profile on the nodes, until cleanup removes them.",
        )
        context.argument("report", arg_type=REPORT)
        context.argument("fail_on", arg_type=FAIL_ON)


def _images(loader: SeccompCommandsLoader) -> None:
    for command in ("audit", "cleanup"):
        with loader.argument_context(f"aks seccomp {command}") as context:
            context.argument(
                "installer_image",
                help="Image of the pods that work on the files of a node; needs sh and the tools of busybox or "
                "coreutils. Default: mcr.microsoft.com/azurelinux/busybox:1.36, for cleanup the one that was used.",
            )
    with loader.argument_context("aks seccomp audit") as context:
        context.argument(
            "ig_image", help="Image with Inspektor Gadget's ig. Default: ig v0.51.0 of mcr.microsoft.com, by digest."
        )
        context.argument(
            "gadget_image", help="Full reference of the gadget audit_seccomp. Default: v0.51.0 of mcr.microsoft.com."
        )
        context.argument(
            "skip_gadget_verification",
            options_list=["--skip-verification"],
            action="store_true",
            help="Do not verify the signature of the gadget, which mirrors of the image often lack.",
        )
