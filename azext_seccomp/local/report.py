# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report of ``try``: the shape of an audit's, so that everything that reads one reads the other."""

from collections.abc import Sequence
from typing import Any, Literal

from azext_seccomp.audit.advice import advice
from azext_seccomp.audit.aggregate import RUNTIME_COMM_PREFIX, Finding
from azext_seccomp.audit.report import ProfileIdentity, finding_row
from azext_seccomp.audit.verdict import Ruled, Ruling, judge
from azext_seccomp.cluster.text import printable
from azext_seccomp.gadget.timestamps import utc_millisecond
from azext_seccomp.local.protocol import Denial, Ending, Report
from azext_seccomp.profile.evaluate import Decision
from azext_seccomp.profile.model import Action

Mode = Literal["audit", "enforce"]

_NANOSECONDS = 1_000_000_000
# The process of runc that becomes the container's bears this name; under try the hand-over stands in for it.
_STARTUP_COMM = f"{RUNTIME_COMM_PREFIX}2:INIT]"


def build(
    report: Report,
    ending: Ending,
    profile: ProfileIdentity,
    argv: Sequence[str],
    mode: Mode,
    *,
    action: Action | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The report as plain data.

    :param profile: the one that was tried.
    :param argv: the command and its arguments.
    :param mode: whether calls were refused for real.
    :param action: of every finding, where it is not that of the profile which was tried.
    :param notes: what limits the result, whole sentences.
    """
    rows = [(_ruled(one, one.comm, action), one) for one in report.denied]
    rows += [(_ruled(one, _STARTUP_COMM, action), one) for one in report.startup]
    rows.sort(key=lambda row: (-row[0].finding.count, row[0].finding.comm, row[0].finding.syscall))
    unseen = [f"{report.uncounted} calls went past the number of findings that are kept"] if report.uncounted else []
    judgement = judge([ruled for ruled, _ in rows], unseen)
    return {
        "command": {
            "argv": list(argv),
            "exitCode": ending.exit_code if ending.exit_code >= 0 else None,
            "signal": -ending.exit_code if ending.exit_code < 0 else None,
            "endedBy": ending.ended_by or "itself",
            "leftBehind": ending.left_behind,
        },
        "profile": {"name": profile.name, "sha256": profile.sha256, "source": profile.source},
        "mode": mode,
        "startedAt": _time(report.started_at),
        "endedAt": _time(report.ended_at),
        "verdict": judgement.verdict,
        "reasons": list(judgement.reasons),
        "findings": [_row(ruled, one) for ruled, one in rows],
        "notes": list(notes),
    }


def _ruled(one: Denial, comm: str, action: Action | None) -> Ruled:
    decision = Decision(Action(one.action), one.errno)
    finding = Finding(
        namespace="",
        pod="",
        container="",
        comm=printable(comm),
        syscall=one.syscall,
        code="SECCOMP_RET_USER_NOTIF",
        count=one.count,
        first_seen_ns=int(one.first * _NANOSECONDS),
        last_seen_ns=int(one.last * _NANOSECONDS),
        nodes=(),
    )
    shown = one.action if action is None else action.value
    return Ruled(finding, Ruling("fallback" if decision.falls_back else "blocked", shown), None)


def _row(ruled: Ruled, one: Denial) -> dict[str, Any]:
    return finding_row(ruled, advice) | {"architecture": one.architecture, "detail": one.detail}


def _time(seconds: float) -> str:
    return utc_millisecond(int(seconds * _NANOSECONDS))
