# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The sentences of a report for an operator, and the commands to run next."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from azext_seccomp.audit.choice import OneProfile, ProfileChoice, RuntimeDefault
from azext_seccomp.audit.notes import next_commands, notes
from azext_seccomp.audit.plan import Cluster, Plan, Selection
from azext_seccomp.audit.removal import Removal, rows
from azext_seccomp.profile.source import Options, load

CLUSTER = Cluster("c1", "rg1", {})


def said(*removals: Removal, **more: Any) -> list[str]:
    fields: dict[str, Any] = {
        "variant_notes": (),
        "only_logs": False,
        "early": False,
        "running_before": 0,
        "confined_before": (),
        "unfinished": (),
        "nothing_selected": False,
        "kept": "",
    }
    return notes(**{**fields, **more}, removals=removals, cluster=CLUSTER)


def test_nothing_to_say() -> None:
    whole = [
        Removal("Deployment", "shop/web", "restored"),
        Removal("Deployment", "shop/other", "absent"),
        Removal("File", "aks-seccomp/audit/s/x.json", "removed", node="n1"),
        Removal("File", "aks-seccomp/audit/s/x.json", "absent", "there is none", "n2"),
    ]
    assert said(*whole) == []


def test_foreign_changes_are_said() -> None:
    words = "somebody else has changed the seccompProfile of app, which is left as it is"
    for status in ("restored", "absent"):
        assert said(Removal("Deployment", "shop/web", status, words)) == [f"Deployment shop/web: {words}."]


def test_a_sentence_ends_once() -> None:
    (note,) = said(Removal("Deployment", "shop/web", "restored", "A revision stays: You may not delete it."))
    assert note == "Deployment shop/web: A revision stays: You may not delete it."


def test_one_that_has_been_replaced_stays() -> None:
    words = "it was deleted, and another one has its name"
    assert said(Removal("Deployment", "shop/web", "kept", words)) == [f"Deployment shop/web stays: {words}."]


def test_files_that_stay_come_with_the_command_that_removes_them() -> None:
    (note,) = said(Removal("File", "aks-seccomp/audit/s/x.json", "kept", "pods use it: shop/web-1"))
    assert note.endswith(
        "Remove it later: az aks seccomp profile remove -g rg1 -n c1 --path aks-seccomp/audit/s/x.json"
    )


def test_files_that_stay_for_the_next_attempt() -> None:
    """It removes them too; taking them away by hand would take them from a workload that needs them."""
    file = Removal("File", "aks-seccomp/audit/s/x.json", "kept", "Deployment shop/web still names it")
    stays, failed = said(file, Removal("Deployment", "shop/web", "failed", "The policy denies it."))
    assert stays == "aks-seccomp/audit/s/x.json stays on the nodes: Deployment shop/web still names it."
    assert failed.endswith("Try again: az aks seccomp cleanup -g rg1 -n c1")


def test_what_is_left_is_data_too() -> None:
    removals = [
        Removal("Deployment", "shop/web", "failed", "No more."),
        Removal("Deployment", "shop/api", "restored", "A revision stays."),
        Removal("Deployment", "shop/other", "absent", "it was deleted"),
        Removal("Deployment", "shop/fine", "restored"),
        Removal("File", "x.json", "kept", "pods use it: shop/web-1"),
        Removal("File", "x.json", "failed", "no answer", "n1"),
        Removal("File", "x.json", "absent", "there is none", "n2"),
        Removal("File", "x.json", "removed", "", "n3"),
    ]
    assert [(one["name"], one["node"], one["status"]) for one in rows(removals)] == [
        ("shop/web", "", "failed"),
        ("shop/api", "", "restored"),
        ("shop/other", "", "absent"),
        ("x.json", "", "kept"),
        ("x.json", "n1", "failed"),
    ]
    assert rows(removals)[0] == {
        "kind": "Deployment",
        "name": "shop/web",
        "node": "",
        "status": "failed",
        "detail": "No more.",
    }


def test_the_first_of_many_failures() -> None:
    (note,) = said(*(Removal("File", "x.json", "failed", "no answer", f"n{number}") for number in range(5)))
    assert note.count("File x.json on n") == 3
    assert note.endswith("Try again: az aks seccomp cleanup -g rg1 -n c1")


def test_many_that_were_confined_before() -> None:
    (note,) = said(confined_before=[f"Deployment/{number}" for number in range(10)])
    assert note.endswith("Deployment/7 and 2 more.")


def test_other_sessions_come_first() -> None:
    assert said(unfinished=["Session sdead seems to be left."], early=True)[0] == "Session sdead seems to be left."


def profile(name: str = "p.json") -> OneProfile:
    return OneProfile(load(json.dumps({"defaultAction": "SCMP_ACT_ERRNO"}).encode(), name, Options()), name)


def commands(
    choice: ProfileChoice, verdict: str, containerd: Sequence[str] = ("",), report: str = "report.json"
) -> list[str]:
    variants = [{"containerd": version} for version in containerd]
    plan = Plan(choice, Selection(), 1, report=report)
    return next_commands({"verdict": verdict, "profile": {"variants": variants}}, plan, CLUSTER)


def test_a_profile_that_blocks_is_refined() -> None:
    assert commands(profile(), "blocked") == [
        "az aks seccomp profile refine --profile p.json --report report.json",
    ]


def test_runtime_default_is_refined_for_each_containerd() -> None:
    made = commands(RuntimeDefault(), "blocked", ("2.0.7", "1.7.24", "2.0.7"))
    assert [words.split("--containerd-version ")[1].split()[0] for words in made] == ["1.7.24", "2.0.7"]
    assert all("--profile RuntimeDefault" in words for words in made)


@pytest.mark.parametrize("verdict", ["clean", "fallback"])
def test_a_profile_that_fits_is_placed(verdict: str) -> None:
    assert commands(profile(), verdict) == ["az aks seccomp profile place -g rg1 -n c1 --profile p.json"]
    assert commands(RuntimeDefault(), verdict) == [], "there is no one file to place"


def test_nothing_follows_from_an_audit_that_saw_too_little() -> None:
    assert commands(profile(), "inconclusive") == []


def test_names_of_files_stay_one_word_for_the_shell() -> None:
    (command,) = commands(profile("my $(profile).json"), "blocked", report="a b.json")
    words = shlex.split(command)
    assert words[words.index("--profile") + 1] == "my $(profile).json"
    assert words[words.index("--report") + 1] == "a b.json"
