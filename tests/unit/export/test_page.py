# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The page as a parser of HTML reads it; what a browser makes of it is in tests/integration/test_report_page.py."""

import hashlib
import re
from base64 import b64encode
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import NodeCoverage
from azext_seccomp.export.formats import encode
from azext_seccomp.export.heatmap import short
from azext_seccomp.export.markup import Html, tag
from tests.unit.export.reports import CALLS, HOSTILE, audited, hostile, large, tried

Json = dict[str, Any]

_VOID = {"meta", "br"}
_ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "span", "p", "h1", "h2"),
    *("b", "small", "br", "code", "pre", "ul", "li", "dl", "dt", "dd", "details", "summary"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """Elements and attributes of a page, its text, and whether every element was closed."""

    def __init__(self, report: Json) -> None:
        super().__init__(convert_charrefs=True)
        self.source = encode(report, "report.html").decode()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[name] += 1
        self.attributes += [(key, value or "") for key, value in attributes]
        if name not in _VOID:
            self._open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self._open.pop() == name

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.texts)


def test_escaping() -> None:
    assert tag("p", "<b>&\"'", Html("<i>"), 3, title='"><x').source == (
        '<p title="&quot;&gt;&lt;x">&lt;b&gt;&amp;&quot;&#x27;<i>3</p>'
    )
    assert tag("br", class_="").source == "<br>"
    assert tag("li", aria_hidden="true", class_="a").source == '<li aria-hidden="true" class="a"></li>'


def test_hostile_names_become_text_and_nothing_else() -> None:
    page = Page(hostile())
    assert set(page.elements) <= _ELEMENTS
    assert not any(key.startswith("on") or key in ("href", "src", "style", "srcdoc") for key, _ in page.attributes)
    for text in HOSTILE[:6]:
        assert text in page.text
    assert "\u202e" not in page.source and "\x07" not in page.source and "\x00" not in page.source
    assert "\\u202e" in page.text


def test_the_browser_may_load_and_run_nothing() -> None:
    page = Page(audited())
    policy = dict(page.attributes)["content"]
    found = next(value for key, value in page.attributes if key == "content" and "default-src" in value)
    digest = b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert found.startswith(f"default-src 'none'; style-src 'sha256-{digest}'"), policy
    assert not re.search(r"https?:|url\(|@import", page.source)


def test_what_an_operator_looks_for() -> None:
    lossy = [
        NodeCoverage("node1", "pool1", "ended", 9, 0, ""),
        NodeCoverage("node2", "pool1", "failed", 0, 0, "no image"),
    ]
    unaudited = [NotAuditable("default", "dind-0", "dind", "privileged")]
    page = Page(audited(nodes=lossy, not_auditable=unaudited) | {"next": ["az aks seccomp profile refine --profile x"]})
    for said in (
        "✖ blocked",
        "shop-prod",
        "5 min 12 s",
        "2025-11-28 11:40:00.000 UTC",
        "300 s, 2 pods, 1 restart, patched",
        "web: RuntimeDefault",
        "+ mount",
        "only when named with --only",
        "Let Kubernetes mount",
        "1 of 2 nodes watched without a gap.",
        "no image",
        "privileged",
        "2 pods were running when the audit began.",
        "az aks seccomp profile refine --profile x",
        "sabcdefghij",
    ):
        assert said in page.text, said


def test_the_map_has_a_number_and_a_sign_for_each_cell() -> None:
    page = Page(audited())
    for cell in ("✖ 5", "↺ 800", "• 31", "▲ 1"):
        assert cell in page.texts
    assert "5 blocked" in page.texts  # for who hears the page


def test_the_command_where_the_report_names_none() -> None:
    assert "refine --profile 'profiles/web profile.json' --report" in Page(audited()).text
    assert "refine --profile PROFILE --report" in Page(audited(source="standard input")).text
    assert "--profile RuntimeDefault --containerd-version VERSION" in Page(audited(source="RuntimeDefault")).text
    assert "Nothing has to be changed" in Page(audited(CALLS[2:3])).text


def test_a_try() -> None:
    page = Page(tried(("web", "unshare", 1), argv=["/bin/web", "a b"]))
    assert "/bin/web 'a b'" in page.text
    assert "ended with exit code 0" in page.text
    assert "CLONE_NEWUSER" in page.text
    assert "No call was seen" in Page(tried()).text


def test_tables_tell_their_heads_and_captions() -> None:
    page = Page(audited())
    assert page.elements["caption"] == page.elements["table"] == page.elements["thead"]
    assert {value for key, value in page.attributes if key == "scope"} == {"col", "row"}
    assert ("lang", "en") in page.attributes


def test_a_thousand_findings_stay_bounded() -> None:
    page = Page(large(1000))
    assert "The 176 system calls of the last column" in page.text
    assert "2 more findings are in the report as .json." not in page.text
    assert len(page.source) < 1_000_000


def test_more_findings_than_a_page_shows() -> None:
    assert "500 more findings are in the report as .json." in Page(large(2500)).text


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9949, "9.9k"), (9950, "10k"), (5_200_000, "5.2M"), (3 * 10**10, "30G")],
)
def test_numbers_fit_their_cells(count: int, shown: str) -> None:
    assert short(count) == shown
