# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report as one page of HTML that needs nothing else: no script, no font, no image, no network."""

import hashlib
from base64 import b64encode
from datetime import datetime
from importlib.resources import files

from azext_seccomp.export import sections
from azext_seccomp.export.heatmap import SIGNS, heatmap, short
from azext_seccomp.export.markup import Html, join, tag
from azext_seccomp.export.view import View

_MEANS = {
    "clean": "Nothing that was seen would be refused.",
    "fallback": "Some calls are answered with ENOSYS; programs use another call then.",
    "blocked": "The profile refuses calls that were made.",
    "inconclusive": "Not everything was seen, so nothing can be said for certain.",
}


def page(view: View) -> bytes:
    """The whole file, UTF-8.

    Nothing but the style below may be used (its hash is in the policy): should a name ever get past the escaping, the
    browser neither runs nor fetches it.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        ),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{view.verdict}: seccomp {view.mode} of {view.profile}"),
        tag("style", Html(style)),
    )
    whole = tag("html", head, tag("body", tag("main", *_body(view))), lang="en", dir="ltr")
    return f"<!DOCTYPE html>\n{whole.source}\n".encode()


def _body(view: View) -> list[Html]:
    parts = [
        _head(view),
        _section("Workloads and system calls" if not view.command else "Processes and system calls", heatmap(view)),
        *([] if view.command else [_section("Verdicts", sections.workloads(view))]),  # a try's is in the head
        _section("Change to the profile", sections.change(view)),
        _section("Findings", sections.findings(view)),
        _section("Nodes", sections.nodes(view)),
    ]
    if view.unaudited:
        parts.append(_section("Not audited", sections.unaudited(view)))
    if view.notes:
        parts.append(_section("Notes", sections.sentences(view.notes)))
    if view.next:
        parts.append(_section("Next", sections.commands(view.next)))
    return parts


def _section(title: str, content: Html) -> Html:
    return tag("section", tag("h2", title), content)


def _head(view: View) -> Html:
    title = tag("h1", "seccomp ", "try" if view.command else view.mode, ": ", view.profile)
    said = "; ".join(view.reasons) or _MEANS.get(view.verdict, "")
    return tag(
        "header",
        tag("div", title, sections.verdict(view.verdict, "large"), class_="title"),
        tag("p", said, class_="lead"),
        _tiles(view),
        _facts(view),
    )


def _tiles(view: View) -> Html:
    """The figures to look at first."""
    counts = dict.fromkeys(SIGNS, 0)
    for _, one in view.findings():
        if one.finding_class in counts:
            counts[one.finding_class] += one.count
    tiles = [
        _tile(f"{SIGNS[name]} {short(count)}", f"{name} calls", name if count else "") for name, count in counts.items()
    ]
    if not view.command:
        tiles.append(_tile(str(len(view.subjects)), "workload" if len(view.subjects) == 1 else "workloads"))
        tiles.append(_tile(f"{sum(one.watched for one in view.nodes)}/{len(view.nodes)}", "nodes watched"))
    if view.unaudited:
        tiles.append(_tile(str(len(view.unaudited)), "not audited"))
    return tag("ul", *tiles, class_="tiles")


def _tile(figure: str, name: str, class_: str = "") -> Html:
    return tag("li", tag("b", figure), tag("span", name), class_=class_)


def _facts(view: View) -> Html:
    facts = [
        ("Command", join([tag("code", view.command), f", {view.outcome}"]) if view.command else ""),
        ("Cluster", dict(view.cluster).get("name", "")),
        ("Resource group", dict(view.cluster).get("resourceGroup", "")),
        ("Kubernetes", dict(view.cluster).get("kubernetesVersion", "")),
        ("Profile", view.source),
        ("sha256", tag("code", view.sha256) if view.sha256 else ""),
        ("Started", view.started.replace("T", " ").replace("Z", " UTC")),
        ("Duration", _duration(view)),
        ("Session", view.session),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value), class_="facts")


def _duration(view: View) -> str:
    if not view.started or not view.ended:
        return ""
    start, end = (datetime.fromisoformat(one.replace("Z", "+00:00")) for one in (view.started, view.ended))
    seconds = max((end - start).total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"
