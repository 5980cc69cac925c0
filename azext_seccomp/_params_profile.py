# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The arguments of the profile commands that need no cluster, and those about a profile that other commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.cli.core.commands.parameters import get_enum_type
from knack.arguments import CLIArgumentType

from azext_seccomp._completers import complete_capabilities, complete_containerd_versions, complete_syscalls

if TYPE_CHECKING:
    from azext_seccomp import SeccompCommandsLoader

OFFLINE_COMMANDS = ("render", "validate", "show", "convert", "diff", "merge", "refine")

PROFILE = CLIArgumentType(
    options_list=["--profile"],
    help="File with a profile: runtime-spec JSON, or a SeccompProfile of the security-profiles-operator in YAML or "
    "JSON. - reads standard input; the word RuntimeDefault means the profile of containerd.",
)
#: What a profile may depend on: the fields of ``profile.source.Options``, which the validator collects.
DEPENDENCIES = {
    "containerd_version": CLIArgumentType(
        options_list=["--containerd-version"],
        help="Version of containerd whose RuntimeDefault is meant, for example 1.7.33.",
        completer=complete_containerd_versions,
    ),
    "arch": CLIArgumentType(
        overrides=get_enum_type(["amd64", "arm64"], default="amd64"),
        options_list=["--arch"],
        help="Architecture of the nodes.",
    ),
    "cap_add": CLIArgumentType(
        options_list=["--cap-add"],
        nargs="+",
        help="Capabilities that the container adds, separated by spaces, with or without CAP_.",
        completer=complete_capabilities,
    ),
    "cap_drop": CLIArgumentType(
        options_list=["--cap-drop"],
        nargs="+",
        help="Capabilities that the container drops, or ALL.",
        completer=complete_capabilities,
    ),
    "docker_format": CLIArgumentType(
        options_list=["--docker-format"],
        action="store_true",
        help="Read files in Docker's format (archMap, includes, excludes, minKernel) and render them for --arch, the "
        "capabilities and --kernel-version.",
    ),
    "kernel": CLIArgumentType(
        options_list=["--kernel-version"],
        help="Version of the nodes' kernel, for example 5.15. Default: newer than any that a rule asks for.",
    ),
}


def load_profile_arguments(loader: SeccompCommandsLoader) -> None:
    """Register the arguments of the offline commands."""
    for command in OFFLINE_COMMANDS:
        with loader.argument_context(f"aks seccomp profile {command}") as context:
            context.argument("profile", arg_type=PROFILE)
            context.ignore("options")  # made of the following by collect_options
            for name, argument in DEPENDENCIES.items():
                context.extra(name, arg_type=argument)
    with loader.argument_context("aks seccomp profile validate") as context:
        context.argument(
            "runc_version", help="Version of runc on the nodes, for example 1.3.3; some of what is valid depends on it."
        )
        context.argument(
            "fail_on",
            arg_type=get_enum_type(["error", "warning"]),
            help="Exit with code 10 when there is an error, or when there is a warning or an error.",
        )
    with loader.argument_context("aks seccomp profile show") as context:
        context.argument(
            "syscall", nargs="+", help="Show these syscalls only, separated by spaces.", completer=complete_syscalls
        )
    with loader.argument_context("aks seccomp profile convert") as context:
        context.argument(
            "to", arg_type=get_enum_type(["audit", "canary", "enforce"]), help="What to make of the profile."
        )
        context.argument(
            "action",
            arg_type=get_enum_type(["ERRNO", "KILL_PROCESS", "KILL_THREAD", "TRAP"]),
            help="With --to enforce: what becomes of calls that the profile logs. Default: ERRNO.",
        )
        context.argument("errno", type=int, help="With --to enforce and ERRNO: number of the error. Default: 1, EPERM.")
    with loader.argument_context("aks seccomp profile diff") as context:
        context.argument(
            "with_profile", options_list=["--with"], help="The profile to compare with, in the forms of --profile."
        )
        context.argument(
            "with_containerd_version",
            options_list=["--with-containerd-version", "--with-containerd"],
            help="Version of containerd for --with RuntimeDefault.",
            completer=complete_containerd_versions,
        )
        context.argument(
            "with_cap_add",
            nargs="+",
            help="Like --cap-add, for --with. Default: that of --cap-add.",
            completer=complete_capabilities,
        )
        context.argument(
            "with_cap_drop",
            nargs="+",
            help="Like --cap-drop, for --with. Default: that of --cap-drop.",
            completer=complete_capabilities,
        )
    with loader.argument_context("aks seccomp profile merge") as context:
        context.argument(
            "profile",
            arg_type=PROFILE,
            nargs="+",
            action="extend",
            help="Two profiles or more, separated by spaces or each "
            "with a --profile of its own, in the forms that the other commands take.",
        )
        context.argument("intersect", action="store_true", help="Let through only what every profile lets through.")
    with loader.argument_context("aks seccomp profile refine") as context:
        context.argument("report", help="File with the output of az aks seccomp audit -o json; - reads standard input.")
        context.argument(
            "only",
            nargs="+",
            help="Let these syscalls through and no others, dangerous ones included.",
            completer=complete_syscalls,
        )
        context.argument(
            "excluded",
            options_list=["--except"],
            nargs="+",
            help="Leave these syscalls as they are.",
            completer=complete_syscalls,
        )
        context.argument("dry_run", action="store_true", help="Show what would change instead of the changed profile.")
