# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One ``try`` from the profile to the report."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.audit.report import ProfileIdentity
from azext_seccomp.local.protocol import Ending, Report, Request
from azext_seccomp.local.report import Mode, build
from azext_seccomp.local.run import is_privileged, run, user_environment
from azext_seccomp.profile.codec import encode
from azext_seccomp.profile.evaluate import decision_of
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.source import is_runtime_default
from azext_seccomp.profile.variants import to_enforce


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to try.

    :param identity: of the profile; its source is the word that the user gave.
    :param notes: what was assumed about the profile, whole sentences.
    :param argv: the command, its first word the path of a file.
    :param seconds: how long it may take; None for ever.
    :param enforce: refuse what the profile refuses.
    """

    profile: Profile
    identity: ProfileIdentity
    notes: Sequence[str]
    argv: Sequence[str]
    seconds: float | None
    enforce: bool


def attempt(asked: Attempt) -> dict[str, Any]:
    """Run the command and report.

    :raises SeccompError: the command could not be started under the profile.
    """
    profile, notes = asked.profile, list(asked.notes)
    logging = not asked.enforce and _only_logs(profile)
    if logging:
        profile = to_enforce(profile).profile
        notes.append(
            "The profile refuses nothing and logs something: the calls that it logs are taken for blocked ones."
        )
    argv = [os.fsencode(word) for word in asked.argv]
    request = Request(encode(profile).decode(), argv, user_environment(), asked.enforce, asked.seconds)
    report = run(request)
    assert report.ending is not None  # a report without a problem has one
    notes += _limits(asked, report, report.ending)
    mode: Mode = "enforce" if asked.enforce else "audit"
    action = Action.LOG if logging else None
    return build(report, report.ending, asked.identity, asked.argv, mode, action=action, notes=notes)


def _only_logs(profile: Profile) -> bool:
    decisions = {decision_of(profile.default_action, profile.default_errno_ret)}
    decisions |= {decision_of(rule.action, rule.errno_ret) for rule in profile.rules}
    return not any(decision.denies for decision in decisions)


def _limits(asked: Attempt, report: Report, ending: Ending) -> list[str]:
    """What limits the result, or makes it differ from a container's."""
    code = 0 if ending.ended_by else ending.exit_code
    name = os.path.basename(asked.argv[0])
    said = {
        "RuntimeDefault was rendered for the capabilities of a container (--cap-add, --cap-drop); the command ran with "
        "those of your account.": is_runtime_default(asked.identity.source),
        f"{name} is a set-user-ID program and ran without its rights: an account without CAP_SYS_ADMIN can filter only "
        "programs that gain none.": report.no_new_privileges and is_privileged(asked.argv[0]),
        "The command was still running when --duration was over, and was ended.": ending.ended_by == "duration",
        "The command was ended early by a signal.": ending.ended_by == "signal",
        "The profile ended the command with SIGSYS.": asked.enforce and ending.exit_code == -signal.SIGSYS,
        f"The command failed: it ended with exit code {code}.": code > 0,
        f"The command failed: signal {-code} ended it.": code < 0,
        f"{ending.whole_processes} times a process was ended where the profile (KILL_THREAD) ends only one of its "
        "threads.": ending.whole_processes > 0,
        f"The command left processes running ({ending.left_behind}); they were ended, as the end of a container's "
        "first process ends the others.": ending.left_behind > 0,
    }
    return [sentence for sentence, holds in said.items() if holds]
