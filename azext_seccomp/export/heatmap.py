# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads × system calls: who called what, how often, and what the profile makes of it."""

from collections.abc import Sequence

from azext_seccomp.export.markup import Html, join, table, tag
from azext_seccomp.export.view import SEVERITY, Finding, Subject, View, worst

MAX_COLUMNS = 24
MAX_ROWS = 60
"""What stays readable on a screen; the rest is in one more column, and in rows that unfold."""

SIGNS = {"blocked": "✖", "startup": "▲", "fallback": "↺", "logged": "•"}
MEANINGS = {
    "blocked": "refused: the program would get an error",
    "startup": "made by the container runtime at the start",
    "fallback": "answered with ENOSYS, for which programs have another call",
    "logged": "let through and logged",
}


def sign(finding_class: str) -> Html:
    """A class of findings as a word with its sign, so that colour alone says nothing."""
    shown = SIGNS.get(finding_class, "?")
    return tag("span", f"{shown} {finding_class}", class_=f"class {finding_class if shown != '?' else ''}".strip())


def heatmap(view: View) -> Html:
    """The map with its legend; a sentence when there is nothing to draw."""
    rows = [(subject, place) for subject in view.subjects for place in subject.places]
    if not any(subject.findings for subject in view.subjects):
        return tag("p", "No call was seen that the profile refuses or logs.", class_="empty")
    syscalls = _columns(view)
    shown, rest = syscalls[:MAX_COLUMNS], syscalls[MAX_COLUMNS:]
    largest = max(one.count for subject in view.subjects for one in subject.findings)
    heads: list[str | Html] = ["Command, process" if view.command else "Workload, container"]
    heads += [tag("span", one, class_="turned") for one in shown]
    if rest:
        heads.append(tag("span", f"{len(rest)} more", class_="turned"))

    def drawn(part: Sequence[tuple[Subject, str]], caption: str) -> Html:
        lines = [_row(subject, place, shown, rest, largest) for subject, place in part]
        return table(caption, heads, lines, class_="heat")

    noun = "processes" if view.command else "containers"
    caption = f"Calls of {noun}, by system call"
    parts = [_legend(), drawn(rows[:MAX_ROWS], caption)]
    if rest:
        summary = tag("summary", f"The {len(rest)} system calls of the last column")
        parts.append(tag("details", summary, tag("p", ", ".join(rest))))
    if rows[MAX_ROWS:]:
        more = f"{len(rows) - MAX_ROWS} more {noun}"
        parts.append(tag("details", tag("summary", more), drawn(rows[MAX_ROWS:], f"{caption}: {more}")))
    return join(parts)


def _columns(view: View) -> list[str]:
    """System calls, those with the worst class first, then the most frequent."""
    by_syscall: dict[str, list[Finding]] = {}
    for subject in view.subjects:
        for one in subject.findings:
            by_syscall.setdefault(one.syscall, []).append(one)

    def order(syscall: str) -> tuple[int, int, str]:
        found = by_syscall[syscall]
        kind = worst(found)
        return SEVERITY.index(kind) if kind in SEVERITY else len(SEVERITY), -sum(one.count for one in found), syscall

    return sorted(by_syscall, key=order)


def _row(subject: Subject, place: str, shown: Sequence[str], rest: Sequence[str], largest: int) -> list[Html]:
    by_syscall = subject.at(place)
    name = join([tag("b", subject.label), *([" ", place] if place else [])])
    namespace = [tag("br"), tag("small", subject.namespace)] if subject.namespace else []
    cells = [tag("th", name, *namespace, scope="row")]
    cells += [_cell(by_syscall.get(syscall, []), largest) for syscall in shown]
    if rest:
        cells.append(_cell([one for syscall in rest for one in by_syscall.get(syscall, [])], largest))
    return cells


def _cell(findings: Sequence[Finding], largest: int) -> Html:
    if not findings:
        return tag("td", tag("span", "none", class_="hidden"))
    kind, count = worst(findings), sum(one.count for one in findings)
    known = kind if kind in SIGNS else "logged"
    names = sorted({one.comm for one in findings})
    title = f"{kind}: {count} by {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if names[4:] else "")
    number = tag("span", f"{SIGNS[known]} {short(count)}", aria_hidden="true")
    read = tag("span", f"{count} {kind}", class_="hidden")
    return tag("td", number, read, class_=f"hit {known} heat-{_heat(count, largest)}", title=title)


def short(count: int) -> str:
    """At most four characters: ``999``, ``12k``, ``3.4M``."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            scaled = count / unit
            return f"{scaled:.1f}{name}" if scaled < 9.95 else f"{scaled:.0f}{name}"
    return str(count)


def _heat(count: int, largest: int) -> int:
    """One of three degrees, on a logarithmic scale: counts differ by orders of magnitude."""
    share = count.bit_length() / max(largest.bit_length(), 1)
    return 1 if share < 0.4 else 2 if share < 0.8 else 3


def _legend() -> Html:
    entries = [join([tag("dt", sign(name)), tag("dd", meaning)]) for name, meaning in MEANINGS.items()]
    return tag("dl", *(tag("div", one) for one in entries), class_="legend")
