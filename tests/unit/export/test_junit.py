# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""JUnit: what a gate makes of it."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import NodeCoverage
from azext_seccomp.export.formats import encode
from tests.unit.export.reports import CALLS, HOSTILE, audited, hostile, large, tried

Json = dict[str, Any]

TIME = re.compile(r"\d+\.\d{3}")
TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
)  # ISO8601_DATETIME_PATTERN of Ant's schema: no fraction, no zone
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def suites_of(report: Json) -> dict[str, ET.Element]:
    """The suites by name, after what every reader of JUnit relies on was checked."""
    root = ET.fromstring(encode(report, "report.xml"))
    assert root.tag == "testsuites"
    _check_counts(root)
    for suite in root:
        assert suite.tag == "testsuite"
        _check_counts(suite)
        tags = [child.tag for child in suite]
        order = [tag for tag in ("properties", "testcase", "system-out") for _ in range(tags.count(tag))]
        assert tags == order
        for case in suite.iter("testcase"):
            assert set(case.keys()) == {"classname", "name", "time"}
            assert TIME.fullmatch(case.get("time", ""))
            assert [child.tag for child in case] in ([], ["system-out"], ["failure"], ["error"], ["skipped"])
    keys = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(keys)) == len(keys)
    return {suite.get("name", ""): suite for suite in root}


def _check_counts(element: ET.Element) -> None:
    assert int(element.get("tests", "")) == len(list(element.iter("testcase"))) > 0
    for attribute, tag in COUNTED.items():
        assert int(element.get(attribute, "")) == len(list(element.iter(tag)))
    assert TIME.fullmatch(element.get("time", ""))
    if element.get("timestamp") is not None:
        assert TIMESTAMP.fullmatch(element.get("timestamp", ""))


def outcomes(suite: ET.Element) -> dict[str, str]:
    """Outcome by the last part of the class and the name."""
    return {
        f"{case.get('classname', '').rpartition('/')[2]} {case.get('name')}": case[0].tag if len(case) else "passed"
        for case in suite.iter("testcase")
    }


def test_cases_of_an_audit() -> None:
    suites = suites_of(audited())
    assert list(suites) == ["default/Deployment/web", "data/StatefulSet/db", "default/Deployment/idle"]
    assert outcomes(suites["default/Deployment/web"]) == {
        "web mount": "failure",
        "sidecar clone3": "system-out",
        "quiet no call refused": "passed",
    }
    assert outcomes(suites["data/StatefulSet/db"]) == {
        "postgres read": "system-out",
        "postgres close_range": "system-out",
        "db observation": "error",
    }
    assert outcomes(suites["default/Deployment/idle"]) == {"idle no call refused": "passed"}


def test_a_failure_says_what_and_what_to_do() -> None:
    suite = suites_of(audited())["default/Deployment/web"]
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "The profile refuses mount: 5 calls"
    assert failure.get("type") == "blocked"
    assert "SCMP_ACT_ERRNO: nginx, 5 calls on node1. Let Kubernetes mount" in (failure.text or "")
    assert {one.get("name"): one.get("value") for one in suite.iter("property")}["verdict"] == "blocked"


def test_times_are_those_of_the_run() -> None:
    root = ET.fromstring(encode(audited(), "report.xml"))
    assert root.get("time") == "312.000"
    web = root[0]
    assert (web.get("time"), web.get("timestamp")) == ("300.000", "2025-11-28T11:40:00")
    times = {case.get("name"): case.get("time") for case in web.iter("testcase")}
    assert times == {"mount": "2.000", "clone3": "199.000", "no call refused": "0.000"}


def test_what_is_not_known_is_an_error_that_stops_a_gate() -> None:
    lossy = [NodeCoverage("node1", "pool1", "ended", 9, 4, "")]
    suites = suites_of(audited([], nodes=lossy))
    for suite in suites.values():
        (error,) = suite.iter("error")
        assert error.get("message") == "node node1 lost at least 4 events"
        assert [case.get("name") for case in suite.iter("testcase")] == ["observation"]


def test_nothing_audited_is_an_error_too() -> None:
    (suite,) = suites_of(audited([], [])).values()
    assert outcomes(suite) == {"audit observation": "error"}


def test_what_cannot_be_audited_is_skipped_with_the_reason() -> None:
    left_out = [
        NotAuditable("default", "web-1", "dind", "privileged", "Deployment/web"),
        NotAuditable("kube-system", "", "", "a system namespace", "DaemonSet/proxy"),
    ]
    suites = suites_of(audited(CALLS[:1], not_auditable=left_out))
    (own,) = suites["default/Deployment/web"].iter("skipped")
    assert own.get("message") == "privileged"
    (other,) = suites["not audited"].iter("testcase")
    assert other.get("name") == "not audited: kube-system/DaemonSet/proxy"
    assert list(suites)[-1] == "not audited"


def test_a_pod_whose_workload_is_not_known_counts() -> None:
    suites = suites_of(audited([("default", "gone-1", "main", "sh", "mount", 1)]))
    assert outcomes(suites["default/Pod/gone-1"]) == {"main mount": "failure"}


def test_cases_of_a_try_are_its_processes() -> None:
    (suite,) = suites_of(tried(("web", "unshare", 1), ("worker", "clone3", 38))).values()
    assert suite.get("name") == "web"
    assert suite.get("time") == "2.000"
    assert outcomes(suite) == {"web unshare": "failure", "worker clone3": "system-out"}
    (clean,) = suites_of(tried()).values()
    assert outcomes(clean) == {"web no call refused": "passed"}


@pytest.mark.parametrize("report", [hostile(), large(500)], ids=["hostile", "large"])
def test_it_can_be_parsed_whatever_names_say(report: Json) -> None:
    assert suites_of(report)


def test_hostile_names_are_text_and_nothing_else() -> None:
    root = ET.fromstring(encode(hostile(), "report.xml"))
    known = {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
    }
    assert {element.tag for element in root.iter()} <= known
    values = [value for element in root.iter() for value in element.attrib.values()]
    assert any(HOSTILE[0] in value for value in values)
    assert all(value.isprintable() for value in values)
