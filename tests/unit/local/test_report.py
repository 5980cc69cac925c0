# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report of ``try``: an audit's in form."""

import json

from azext_seccomp.audit.report import ProfileIdentity
from azext_seccomp.local.protocol import Denial, Ending, Report
from azext_seccomp.local.report import build
from azext_seccomp.profile.model import Action
from azext_seccomp.profile.report import Observed, read_report

IDENTITY = ProfileIdentity("web.json", "ab" * 32, "web.json")
ENDED = Ending(0, "", 0)


def denial(comm: str, syscall: str, count: int = 1, errno: int | None = 1, action: str = "SCMP_ACT_ERRNO") -> Denial:
    return Denial(comm, syscall, "amd64", action, errno, "", count, 1_700_000_000.0, 1_700_000_001.5)


def report(*denied: Denial, startup: tuple[Denial, ...] = (), uncounted: int = 0, ending: Ending = ENDED) -> dict:
    run = Report(ending=ending, denied=list(denied), startup=list(startup), uncounted=uncounted)
    return build(run, ending, IDENTITY, ["/bin/web"], "audit")


def test_verdicts() -> None:
    fallback, blocked = denial("web", "clone3", errno=38), denial("web", "mount")
    startup = denial("?", "execve")
    assert report()["verdict"] == "clean"
    assert report(fallback)["verdict"] == "fallback"
    assert report(fallback, blocked)["verdict"] == "blocked"
    assert report(startup=(startup,))["verdict"] == "inconclusive"
    assert report(fallback, uncounted=3)["verdict"] == "inconclusive"
    assert "3 calls went past" in report(fallback, uncounted=3)["reasons"][-1]


def test_refine_takes_it() -> None:
    made = report(denial("web", "mount", 3), denial("job", "mount", 2), startup=(denial("?", "execve"),))
    read = read_report(json.dumps(made).encode(), "report.json")
    assert set(read.observed) == {Observed("mount", 5), Observed("execve", 1)}
    assert read.profile_sha256 == IDENTITY.sha256


def test_findings_are_sorted_and_have_what_the_kernel_cannot_tell_an_audit() -> None:
    made = report(denial("a", "mount"), denial("b", "bpf", 7))
    assert [(one["comm"], one["count"]) for one in made["findings"]] == [("b", 7), ("a", 1)]
    assert made["findings"][0]["architecture"] == "amd64"
    assert made["findings"][0]["firstSeen"] == "2023-11-14T22:13:20.000Z"
    assert made["findings"][0]["lastSeen"] == "2023-11-14T22:13:21.500Z"


def test_names_of_processes_are_made_harmless() -> None:
    (finding,) = report(denial("\x1b[2J\u202eevil", "mount"))["findings"]
    assert finding["comm"].isprintable()
    assert "\u202e" not in finding["comm"]


def test_how_the_command_ended() -> None:
    assert report(ending=Ending(3, "", 0))["command"]["exitCode"] == 3
    killed = report(ending=Ending(-9, "duration", 2))["command"]
    assert killed == {
        "argv": ["/bin/web"],
        "exitCode": None,
        "signal": 9,
        "endedBy": "duration",
        "leftBehind": 2,
    }


def test_the_action_of_an_audit_profile_is_shown_as_it_is() -> None:
    run = Report(ending=ENDED, denied=[denial("web", "mount")])
    made = build(run, ENDED, IDENTITY, ["/bin/web"], "audit", action=Action.LOG)
    assert made["findings"][0]["action"] == "SCMP_ACT_LOG"
