# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The parts of the page below its head."""

import shlex
from collections.abc import Sequence

from azext_seccomp.export.heatmap import sign
from azext_seccomp.export.markup import Html, join, table, tag
from azext_seccomp.export.view import Finding, Node, Subject, View, worst
from azext_seccomp.profile.explain import explanation, is_dangerous
from azext_seccomp.profile.source import is_runtime_default

MAX_FINDINGS = 2000
"""Rows of findings on a page; a browser draws them in a moment."""
ROWS_SHOWN = 40
"""Rows of one table before the others fold away."""

_SQUARES = 500

VERDICT_SIGNS = {"clean": "✔", "fallback": "↺", "blocked": "✖", "inconclusive": "?"}

Row = Sequence[str | int | Html]


def verdict(word: str, large: str = "") -> Html:
    """A verdict as a word with its sign."""
    known = word if word in VERDICT_SIGNS else "inconclusive"
    return tag("span", f"{VERDICT_SIGNS[known]} {word}", class_=f"verdict {known} {large}".strip())


def folded(caption: str, heads: Sequence[str], rows: Sequence[Row], noun: str) -> Html:
    """A table; what would make it too long unfolds below it."""
    first, more = rows[:ROWS_SHOWN], rows[ROWS_SHOWN:]
    if not more:
        return table(caption, heads, first)
    summary = f"{len(more)} more {noun}"
    rest = tag("details", tag("summary", summary), table(f"{caption}: {summary}", heads, more))
    return join([table(caption, heads, first), rest])


def workloads(view: View) -> Html:
    """Each workload: the verdict, what it rests on, and how much was seen."""
    heads = ["Workload", "Verdict", "Observed", "Profile before", "Why"]
    return folded("Verdict on each workload", heads, [_workload(one) for one in view.subjects], "workloads")


def _workload(one: Subject) -> Row:
    seen = [f"{one.seconds} s"] if one.seconds is not None else []
    seen += [_count(one.pods, "pod")] if one.pods is not None else []
    seen += [_count(one.restarts, "restart")] if one.restarts is not None else []
    before = [f"{name}: {was}" for name, was in one.before]
    return [
        _name(one),
        verdict(one.verdict),
        ", ".join([*seen, *([one.treatment] if one.treatment else [])]),
        "; ".join(before),
        "; ".join(one.reasons),
    ]


def change(view: View) -> Html:
    """What ``profile refine`` would let through. The page does not have the profile, so it names the command."""
    by_syscall: dict[str, list[Finding]] = {}
    for _, one in view.findings():
        if one.finding_class in ("blocked", "startup"):
            by_syscall.setdefault(one.syscall, []).append(one)
    if not by_syscall:
        return tag("p", "Nothing has to be changed: no refused call was seen.", class_="empty")
    rows: list[Row] = [
        [tag("code", f"+ {syscall}"), sum(one.count for one in found), _consent(syscall), found[0].advice]
        for syscall, found in by_syscall.items()
    ]
    heads = ["System call", "Calls", "Let through by refine", "Advice"]
    table_of = folded("System calls to consider", heads, rows, "calls")
    if view.next:  # names the command with its arguments
        return table_of
    profile = "PROFILE" if view.source in ("-", "standard input") else shlex.quote(view.source)
    if is_runtime_default(view.source):
        profile += " --containerd-version VERSION"
    command = f"az aks seccomp profile refine --profile {profile} --report REPORT.json"
    said = tag("p", "Make the change, with a report that was written as .json:")
    return join([table_of, said, tag("pre", tag("code", command))])


def _consent(syscall: str) -> str:
    if is_dangerous(syscall):
        return "only when named with --only: it can cost the isolation of the container"
    return "where no argument decides about it, or when named with --only"


def findings(view: View) -> Html:
    """Every finding below the explanation of its system call."""
    by_syscall: dict[str, list[tuple[Subject, Finding]]] = {}
    everything = view.findings()
    for subject, one in everything[:MAX_FINDINGS]:
        by_syscall.setdefault(one.syscall, []).append((subject, one))
    if not by_syscall:
        return tag("p", "There are none.", class_="empty")
    parts = [_syscall(syscall, found) for syscall, found in by_syscall.items()]
    left = len(everything) - MAX_FINDINGS
    if left > 0:
        parts.append(tag("p", f"{left} more findings are in the report as .json.", class_="quiet"))
    return join(parts)


def _syscall(syscall: str, found: Sequence[tuple[Subject, Finding]]) -> Html:
    kind, count = worst(one for _, one in found), sum(one.count for _, one in found)
    known = explanation(syscall)
    said = [known.does, *([known.blocked] if kind == "blocked" else [])] if known else []
    advice = list(dict.fromkeys(one.advice for _, one in found if one.advice))
    heads = ["Workload", "Container", "Process", "Class", "Calls", "First and last", "Nodes", "Arguments"]
    rows = [_finding(subject, one) for subject, one in found]
    summary = tag(
        "summary", tag("code", syscall), " ", sign(kind), " ", tag("span", _count(count, "call"), class_="quiet")
    )
    body = [tag("p", " ".join(said))] if said else []
    body += [tag("p", tag("b", "What to do: "), one) for one in advice]
    unfolded = {"open": "open"} if kind == "blocked" else {}
    return tag(
        "details", summary, *body, folded(f"Who called {syscall}", heads, rows, "rows"), class_="finding", **unfolded
    )


def _finding(subject: Subject, one: Finding) -> Row:
    seen = [time.partition("T")[2].rstrip("Z") for time in (one.first_seen, one.last_seen) if time]
    return [
        _name(subject),
        one.container,
        tag("code", one.comm),
        sign(one.finding_class),
        one.count,
        " – ".join(dict.fromkeys(seen)),
        ", ".join(one.nodes),
        tag("code", one.detail) if one.detail else "",
    ]


def nodes(view: View) -> Html:
    """How well each node was watched, at a glance first."""
    if not view.nodes:
        return tag("p", "The calls were seen on this machine alone.", class_="empty")
    whole = sum(one.watched for one in view.nodes)
    strip = [_square(one) for one in view.nodes[:_SQUARES]]
    rows = [_node(one) for one in sorted(view.nodes, key=lambda one: (one.watched, one.name))]
    heads = ["Node", "Pool", "State", "Events", "Lost", "Detail"]
    return join(
        [
            tag("p", f"{whole} of {_count(len(view.nodes), 'node')} watched without a gap."),
            tag("ul", *strip, class_="strip", aria_hidden="true"),
            folded("Coverage of each node", heads, rows, "nodes"),
            *([_variants(view)] if view.variants else []),
        ]
    )


def _square(one: Node) -> Html:
    return tag("li", "✔" if one.watched else "✖", class_="whole" if one.watched else "gap", title=one.name)


def _node(one: Node) -> Row:
    state = tag("span", f"{'✔' if one.watched else '✖'} {one.status}", class_="whole" if one.watched else "gap")
    lost = f"at least {one.lost}" if one.lost else "0"
    return [one.name, one.pool, state, one.events, tag("td", lost, class_="number"), one.detail]


def _variants(view: View) -> Html:
    heads = ["Capabilities", "containerd", "Architecture", "Nodes", "sha256"]
    rows: list[Row] = [
        [one.capabilities, one.containerd, one.arch, ", ".join(one.nodes), tag("code", one.sha256[:16])]
        for one in view.variants
    ]
    return folded("Variants of the profile", heads, rows, "variants")


def unaudited(view: View) -> Html:
    """What no profile could be tried on."""
    heads = ["Namespace", "Workload", "Pod", "Container", "Reason"]
    rows: list[Row] = [
        [one.namespace, one.workload, one.pod, one.container or "all", one.reason] for one in view.unaudited
    ]
    return folded("Not audited", heads, rows, "rows")


def sentences(lines: Sequence[str]) -> Html:
    """Notes, one below the other."""
    return tag("ul", *(tag("li", one) for one in lines))


def commands(lines: Sequence[str]) -> Html:
    """Commands to copy."""
    return join(tag("pre", tag("code", one)) for one in lines)


def _name(one: Subject) -> Html:
    namespace = [tag("small", f"{one.namespace} ")] if one.namespace else []
    return join([*namespace, one.label])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
