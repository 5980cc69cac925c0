# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The arguments of ``try``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.cli.core.commands.parameters import get_enum_type

from azext_seccomp._params_audit import FAIL_ON, REPORT
from azext_seccomp._params_profile import DEPENDENCIES, PROFILE

if TYPE_CHECKING:
    from azext_seccomp import SeccompCommandsLoader

_DEPENDENCIES = ("containerd_version", "cap_add", "cap_drop", "docker_format")


def load_try_arguments(loader: SeccompCommandsLoader) -> None:
    """Register them."""
    with loader.argument_context("aks seccomp try") as context:
        context.argument("profile", arg_type=PROFILE)
        for name in _DEPENDENCIES:
            context.argument(name, arg_type=DEPENDENCIES[name])
        context.argument(
            "docker_format",
            help="Read a file in Docker's format (archMap, includes, excludes, minKernel) and render it for the "
            "capabilities and this machine.",
        )
        context.argument(
            "arch",
            arg_type=get_enum_type(["amd64", "arm64"]),
            help="Architecture of the nodes; has to be this machine's, which is the default.",
        )
        context.argument(
            "command_line",
            options_list=["--command"],
            help="Program and arguments in one value, split into words as a shell does but not run by one; for a shell "
            "line give \"sh -c '...'\". Its standard output goes to standard error.",
        )
        context.argument(
            "duration", help="End the command after this time: 90s, 5m, 1h. Default: it runs until it ends."
        )
        context.argument(
            "enforce", action="store_true", help="Refuse what the profile refuses instead of letting it through."
        )
        context.argument("report", arg_type=REPORT)
        context.argument("fail_on", arg_type=FAIL_ON)
