# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp try``: a command on this machine under a profile, without a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import read_profile
from azext_seccomp._reports import check_report, write_report
from azext_seccomp.custom_audit import EXIT_CODES

if TYPE_CHECKING:
    from azext_seccomp.profile.source import Options

logger = get_logger(__name__)


def try_command(
    cmd: Any,
    profile: str,
    command_line: str,
    duration: str | None = None,
    enforce: bool = False,
    report: str | None = None,
    fail_on: Sequence[str] = (),
    arch: str | None = None,
    containerd_version: str | None = None,
    cap_add: Sequence[str] = (),
    cap_drop: Sequence[str] = (),
    docker_format: bool = False,
) -> dict[str, Any]:
    from azext_seccomp.local.requirements import require_architecture

    native = require_architecture(arch)  # before anything that can only be imported where it holds
    from azext_seccomp.audit.plan import parse_duration
    from azext_seccomp.audit.report import ProfileIdentity
    from azext_seccomp.local.attempt import Attempt, attempt
    from azext_seccomp.local.run import split_command

    check_report(report)
    argv = split_command(command_line)
    source = read_profile(profile, _options(native, containerd_version, cap_add, cap_drop, docker_format))
    identity = ProfileIdentity(source.name, source.sha256, profile)
    seconds = parse_duration(duration) if duration else None
    result = attempt(Attempt(source.profile, identity, source.notes, argv, seconds, enforce))
    write_report(cmd.cli_ctx, result, report)
    _conclude(cmd, result, fail_on or ())
    return result


def _options(
    arch: str,
    containerd_version: str | None,
    cap_add: Sequence[str],
    cap_drop: Sequence[str],
    docker_format: bool,
) -> Options:
    """What the profile depends on; the kernel is this machine's."""
    import platform

    from azext_seccomp.profile.source import Options

    return Options(arch, containerd_version, tuple(cap_add), tuple(cap_drop), docker_format, platform.release())


def _conclude(cmd: Any, result: dict[str, Any], fail_on: Sequence[str]) -> None:
    """What the table has no room for goes to standard error; the exit code says the verdict when it was asked to."""
    if cmd.cli_ctx.invocation.data["output"] in ("table", "tsv"):
        reasons = f" ({'; '.join(result['reasons'])})" if result["reasons"] else ""
        logger.warning("Verdict: %s%s", result["verdict"], reasons)
        for note in result["notes"]:
            logger.warning("%s", note)
    if result["verdict"] in fail_on:
        exit_after_output(cmd.cli_ctx, EXIT_CODES[result["verdict"]])
