# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Elements of HTML. Text becomes markup in one place, here: whatever is not ``Html`` already is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

_VOID = frozenset({"meta", "br", "hr", "col"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is made of elements and escaped text only."""

    source: str


def tag(name: str, /, *content: str | int | Html, **attributes: str | int) -> Html:
    """One element. An underscore at the end of an attribute's name is left out, other ones become hyphens.

    :param name: of the element; never of a report.
    :param content: text, which is escaped, and elements.
    :param attributes: their values are escaped and quoted; an empty ``class_`` is left out.
    """
    opened = "".join(
        f' {_attribute_name(key)}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value != "" or key != "class_"
    )
    inner = join(content).source
    return Html(f"<{name}{opened}>" if name in _VOID else f"<{name}{opened}>{inner}</{name}>")


def join(parts: Iterable[str | int | Html], between: str = "") -> Html:
    """Texts and elements one after the other."""
    return Html(escape(between).join(one.source if isinstance(one, Html) else escape(str(one)) for one in parts))


def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def table(
    caption: str, heads: Iterable[str | Html], rows: Iterable[Iterable[str | int | Html]], **attributes: str
) -> Html:
    """A table whose first column names its rows, in a box that scrolls where it is too wide.

    :param rows: cells; one that is a ``td`` or ``th`` already is taken as it is.
    """
    head = tag("tr", *(tag("th", one, scope="col") for one in heads))
    body = [tag("tr", *(_cell(cell, first=place == 0) for place, cell in enumerate(row))) for row in rows]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), **attributes)
    return tag("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(cell: str | int | Html, *, first: bool) -> Html:
    if isinstance(cell, Html) and cell.source.startswith(("<td", "<th")):
        return cell
    if first:
        return tag("th", cell, scope="row")
    return tag("td", cell, class_="number" if isinstance(cell, int) else "")
