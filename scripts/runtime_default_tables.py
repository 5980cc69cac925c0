#!/usr/bin/env python3
# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Regenerate or check azext_seccomp/profile/data/runtime_default.json from a checkout of containerd.

    scripts/runtime_default_tables.py CHECKOUT            write the tables
    scripts/runtime_default_tables.py CHECKOUT --check    exit 1 when they differ

The facts come from ``contrib/seccomp/seccomp_default.go`` at each release tag (github.com/containerd/containerd). A
table holds sections: the syscalls that are always allowed, those that a kernel, an architecture or a capability adds,
and the conditions on arguments. The first table is written in full, each later one as what it adds and removes.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from table_script import main

TARGET = Path(__file__).resolve().parent.parent / "azext_seccomp" / "profile" / "data" / "runtime_default.json"
PATH = "contrib/seccomp/seccomp_default.go"
SERIES = ("1.6", "1.7", "2.0", "2.1", "2.2", "2.3")
ARCHITECTURES = ("amd64", "arm64")
#: Constants of golang.org/x/sys/unix that the file uses.
CONSTANTS = {"AF_ALG": 38, "AF_VSOCK": 40, "ENOSYS": 38}
CONSTANTS |= {
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
}
CONSTANTS |= {"CLONE_NEWUSER": 0x10000000, "CLONE_NEWPID": 0x20000000, "CLONE_NEWNET": 0x40000000}
OPERATORS = {"LessThan": "<", "GreaterThan": ">", "EqualTo": "==", "NotEqual": "!=", "MaskedEqual": "&"}

#: What the walk through the function stops at.
TOKEN = re.compile(
    r"""case\s+(?P<case>"[^:]+?)\s*:|(?P<default>default)\s*:|(?P<kernel>Kernel:\s*4,\s*Major:\s*8)
    |(?P<switch_>switch)\ runtime\.GOARCH|(?P<capabilities>range\ sp\.Process\.Capabilities\.Bounding)
    |(?P<admin>if\ !admin)|Names:\s*\[\]string\{(?P<names_>[^}]*)\}|ErrnoRet:\s*&(?P<errno>\w+)
    |Index:\s*(?P<index>\d+)|Value:\s*(?P<value>[^\n]+),\n|ValueTwo:\s*(?P<two>[^\n]+),\n
    |Op:\s*specs\.Op(?P<op>\w+)""",
    re.VERBOSE,
)

Table = dict[str, list[str]]


def git(checkout: Path, *arguments: str) -> str:
    """The output of a git command."""
    return subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True, text=True).stdout


def releases(checkout: Path, series: str) -> list[str]:
    """The final releases of a series, oldest first."""
    tags = git(checkout, "tag", "--list", f"v{series}.*").split()
    return sorted((tag[1:] for tag in tags if re.fullmatch(r"v[0-9.]+", tag)), key=lambda text: int(text.split(".")[2]))


def parse(source: str) -> Table:
    """The table that one version of the file describes."""
    table: dict[str, list[str]] = defaultdict(list)
    for architecture in ARCHITECTURES:
        match = re.search(rf'case "{architecture}":\s*return \[\]specs.Arch\{{([^}}]*)\}}', source)
        if match is None:
            raise ValueError(f"no architectures for {architecture}")
        for arch in match.group(1).split(","):
            table[f"architectures {architecture}"].append("SCMP_ARCH_" + arch.strip().removeprefix("specs.Arch"))
    walk = Walk(table)
    body = re.sub(r"//[^\n]*", "", source[source.index("func DefaultProfile") :])
    for match in TOKEN.finditer(body):
        walk.step(match)
    walk.end_rule()
    return {section: sorted(entries) for section, entries in sorted(table.items())}


class Walk:
    """One pass through the function: where it is (``sections``), and the rule that it is reading."""

    def __init__(self, table: dict[str, list[str]]) -> None:
        self._table = table
        self._switch = ""
        self._sections = ["always"]
        self._names: list[str] = []
        self._says = ""

    def step(self, match: re.Match[str]) -> None:
        """Take in one token."""
        kind = match.lastgroup or ""
        if kind in ("names_", "kernel", "case", "default", "switch_", "capabilities", "admin"):
            self.end_rule()
        getattr(self, f"_{kind}")(match.group(kind))

    def end_rule(self) -> None:
        """Write the rule that was read into the sections to which it belongs."""
        for section in self._sections:
            self._table[section] += [f"{name}{self._says}" for name in self._names]
        self._names, self._says = [], ""

    def _kernel(self, _: str) -> None:
        self._sections = ["kernel 4.8"]

    def _switch_(self, _: str) -> None:
        self._sections = []
        self._switch = "no admin" if self._switch == "no admin" else "architecture"

    def _capabilities(self, _: str) -> None:
        self._switch = "capability"

    def _admin(self, _: str) -> None:
        self._switch, self._sections = "no admin", ["without CAP_SYS_ADMIN"]

    def _case(self, text: str) -> None:
        values = re.findall(r'"(\w+)"', text)
        if self._switch == "no admin":  # s390 has clone's arguments the other way round
            self._sections = []
        elif self._switch == "capability":
            self._sections = [f"capability {value}" for value in values]
        else:
            self._sections = [f"architecture {value}" for value in values if value in ARCHITECTURES]

    def _default(self, _: str) -> None:
        self._sections = ["without CAP_SYS_ADMIN"] if self._switch == "no admin" else []

    def _names_(self, text: str) -> None:
        self._names = re.findall(r'"(\w+)"', text)
        if self._switch == "no admin" and self._names == ["clone3"]:  # stands after the switch
            self._sections = ["without CAP_SYS_ADMIN"]

    def _errno(self, text: str) -> None:
        self._says = f" errno {CONSTANTS['ENOSYS'] if text == 'nosys' else text}"

    def _index(self, text: str) -> None:
        self._says = f" arg{text}"

    def _value(self, text: str) -> None:
        self._says += f" OP {_number(text)}"

    def _two(self, text: str) -> None:
        if text.strip() != "0":
            raise ValueError(f"a masked comparison with {text}")

    def _op(self, text: str) -> None:
        self._says = self._says.replace("OP", OPERATORS[text])


def _number(text: str) -> int:
    terms = [sum(_term(part) for part in term.split("+")) for term in text.split("|")]
    result = 0
    for term in terms:
        result |= term
    return result


def _term(text: str) -> int:
    name = text.strip().removeprefix("unix.")
    return CONSTANTS[name] if name in CONSTANTS else int(name, 0)


def build(checkout: Path) -> str:
    """The text of the data file."""
    known: dict[str, str] = {}
    tables: dict[str, dict[str, object]] = {}
    series: dict[str, dict[str, object]] = {}
    previous: Table = {}
    for name in SERIES:
        found = releases(checkout, name)
        series[name] = {"tables": {}, "checked_to": found[-1]}
        current = ""
        for release in found:
            table = parse(git(checkout, "show", f"v{release}:{PATH}"))
            text = json.dumps(table)
            if text not in known:
                known[text] = release
                tables[release] = _difference(previous, table)
                previous = table
            if known[text] != current:
                current = known[text]
                series[name]["tables"][release] = current  # type: ignore[index]
    source = f"containerd {PATH} at the release tags up to {', '.join(str(s['checked_to']) for s in series.values())}"
    return _format({"source": source, "series": series, "tables": tables})


def _difference(old: Table, new: Table) -> dict[str, object]:
    sections = sorted({*old, *new})
    adds = {s: [e for e in new.get(s, []) if e not in old.get(s, [])] for s in sections}
    removes = {s: [e for e in old.get(s, []) if e not in new.get(s, [])] for s in sections}
    return {
        "adds": {s: entries for s, entries in adds.items() if entries},
        "removes": {s: entries for s, entries in removes.items() if entries},
    }


def _format(document: dict[str, object]) -> str:
    """JSON with lists on one line each."""
    text = json.dumps(document, indent=1)
    return re.sub(r"\[\s+([^\]]*?)\s+\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m.group(1)) + "]", text) + "\n"


if __name__ == "__main__":
    sys.exit(main((__doc__ or "").splitlines()[0], TARGET, build))
