# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""JUnit XML as Azure Pipelines, GitLab and Jenkins show it.

A workload is a suite, a syscall of a container is a case. A gate has to hold what is refused and what is not known:
refused calls are failures, an inconclusive result is an error. What cannot be audited is skipped, with the reason: it
would stop every gate for good. Fallbacks and logged calls pass and say so in their output.

The time of a suite is how long the workload was observed, that of a case how long from its first to its last call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree as ET

from azext_seccomp.export.view import Finding, Subject, Unaudited, View, worst

OBSERVATION = "observation"


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: ``outcome`` is failure, error, skipped, or empty for passed."""

    classname: str
    name: str
    outcome: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases of one workload."""

    name: str
    cases: Sequence[Case]
    seconds: float = 0.0
    output: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """How many cases ended so."""
        return sum(case.outcome == outcome for case in self.cases)


def document(view: View) -> bytes:
    """The whole file, UTF-8."""
    suites = _suites(view)
    root = ET.Element("testsuites", {"name": f"seccomp {view.mode}: {view.profile}", **_totals(suites)})
    root.set("time", _time(_elapsed(view)))
    for suite in suites:
        _write(ET.SubElement(root, "testsuite"), suite, view.started)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _suites(view: View) -> list[Suite]:
    left = list(view.unaudited)
    suites = []
    for subject in view.subjects:
        own = [one for one in left if (one.namespace, one.workload) == (subject.namespace, subject.label)]
        left = [one for one in left if one not in own]
        suites.append(_suite(view, subject, own))
    if left:
        suites.append(Suite("not audited", [_skipped("not audited", one) for one in left]))
    if view.verdict == "inconclusive" and not any(suite.count("error") for suite in suites):
        said = "Nothing was audited."
        suites.append(Suite(view.mode, [Case(view.mode, OBSERVATION, "error", "inconclusive", said, said)]))
    return suites


def _suite(view: View, subject: Subject, unaudited: Iterable[Unaudited]) -> Suite:
    cases = [case for place in subject.places for case in _cases(subject, place)]
    if subject.verdict == "inconclusive":
        message = "; ".join(subject.reasons) or "not everything was seen"
        cases.append(Case(subject.path, OBSERVATION, "error", "inconclusive", message, message))
    cases += [_skipped(subject.path, one) for one in unaudited]
    properties = {"profile": view.profile, "profile.sha256": view.sha256, "mode": view.mode, "verdict": subject.verdict}
    seconds = _elapsed(view) if subject.seconds is None else float(subject.seconds)
    return Suite(subject.path, cases, seconds, "\n".join(subject.reasons), properties)


def _cases(subject: Subject, place: str) -> list[Case]:
    classname = f"{subject.path}/{place}" if place else subject.path
    by_syscall = subject.at(place)
    if not by_syscall and subject.verdict != "inconclusive":
        return [Case(classname, "no call refused")]
    return [_case(classname, syscall, found) for syscall, found in by_syscall.items()]


def _case(classname: str, syscall: str, findings: Sequence[Finding]) -> Case:
    kind = worst(findings)
    lines = "\n".join(_line(one) for one in findings)
    calls = sum(one.count for one in findings if one.finding_class == kind)
    if kind != "blocked":
        return Case(classname, syscall, kind=kind, text=lines, seconds=_span(findings))
    message = f"The profile refuses {syscall}: {_calls(calls)}"
    return Case(classname, syscall, "failure", kind, message, lines, _span(findings))


def _line(one: Finding) -> str:
    detail = f" ({one.detail})" if one.detail else ""
    where = f" on {', '.join(one.nodes)}" if one.nodes else ""
    advice = f" {one.advice}" if one.advice else ""
    return f"{one.finding_class} {one.action}: {one.comm}{detail}, {_calls(one.count)}{where}.{advice}"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _skipped(classname: str, one: Unaudited) -> Case:
    return Case(classname, f"not audited: {one.label}", "skipped", message=one.reason)


def _write(element: ET.Element, suite: Suite, started: str) -> None:
    element.attrib.update({"name": suite.name, **_totals([suite]), "time": _time(suite.seconds)})
    if started:
        element.set("timestamp", started.partition(".")[0].rstrip("Z"))  # JUnit's has neither fraction nor zone: UTC
    if suite.properties:
        properties = ET.SubElement(element, "properties")
        for name, value in suite.properties.items():
            ET.SubElement(properties, "property", {"name": name, "value": value})
    for case in suite.cases:
        _write_case(ET.SubElement(element, "testcase"), case)
    if suite.output:
        ET.SubElement(element, "system-out").text = suite.output


def _write_case(element: ET.Element, case: Case) -> None:
    element.attrib.update({"classname": case.classname, "name": case.name, "time": _time(case.seconds)})
    if not case.outcome:
        if case.text:
            ET.SubElement(element, "system-out").text = case.text
        return
    outcome = ET.SubElement(element, case.outcome, {"message": case.message})
    if case.kind:
        outcome.set("type", case.kind)
    if case.text:
        outcome.text = case.text


def _totals(suites: Sequence[Suite]) -> dict[str, str]:
    counts = {
        "tests": sum(len(suite.cases) for suite in suites),
        "failures": sum(suite.count("failure") for suite in suites),
        "errors": sum(suite.count("error") for suite in suites),
        "skipped": sum(suite.count("skipped") for suite in suites),
    }
    return {name: str(count) for name, count in counts.items()}


def _span(findings: Iterable[Finding]) -> float:
    seen = [one for one in findings if one.first_seen and one.last_seen]
    if not seen:
        return 0.0
    return _between(min(one.first_seen for one in seen), max(one.last_seen for one in seen))


def _elapsed(view: View) -> float:
    return _between(view.started, view.ended) if view.started and view.ended else 0.0


def _between(first: str, last: str) -> float:
    """Seconds; the report's times are UTC to the millisecond."""
    start, end = (datetime.fromisoformat(one.replace("Z", "+00:00")) for one in (first, last))
    return max((end - start).total_seconds(), 0.0)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
