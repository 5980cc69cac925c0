# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The page of a report in a browser: what it draws, and that a name in it does nothing."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from azext_seccomp.export.formats import encode
from tests.integration.browser import Browser
from tests.unit.export.reports import audited, hostile, large

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")

WIDE, NARROW = 1280, 400
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRAST = """
(() => {
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const found = numbers(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(element.className + ': ' + element.textContent.slice(0, 40));
  }
  return low;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages as ``--report`` writes them."""
    directory = tmp_path_factory.mktemp("pages")
    for name, report in (("audit", audited()), ("hostile", hostile()), ("large", large(1000))):
        (directory / f"{name}.html").write_bytes(encode(report, f"{name}.html"))
    return directory


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_drawn_in_colours_that_can_be_read(browser: Browser, pages: Path, dark: bool) -> None:
    """WCAG 2 AA: every text has a contrast of 4.5 to what is behind it."""
    browser.open(pages / "audit.html", width=WIDE, dark=dark)
    image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    assert image.size == (WIDE, 900)
    colours = image.getcolors(maxcolors=WIDE * 900)
    assert colours is not None and len(colours) > 100
    _, (red, green, blue) = max(colours)
    assert (red + green + blue < 150) is dark
    assert browser.evaluate("getComputedStyle(document.querySelector('td.hit')).fontWeight") == "600"  # styled at all
    assert browser.evaluate(CONTRAST) == []


def test_hostile_names_are_only_shown(browser: Browser, pages: Path) -> None:
    browser.open(pages / "hostile.html", width=WIDE)
    assert browser.evaluate("document.title").startswith("blocked: seccomp audit of ")
    assert browser.evaluate("document.querySelectorAll('script, img, svg, iframe, a, link, object, form').length") == 0
    assert browser.evaluate("document.querySelectorAll('style').length") == 1
    assert browser.evaluate("document.body.innerText").count("onerror=") > 5
    assert browser.dialogs == []
    assert browser.requests == [(pages / "hostile.html").as_uri()]
    assert browser.refused == []


@pytest.mark.parametrize(
    ("page", "width"), [("audit", NARROW), ("audit", WIDE), ("hostile", NARROW), ("large", NARROW)]
)
def test_wide_tables_scroll_and_the_page_does_not(browser: Browser, pages: Path, page: str, width: int) -> None:
    browser.open(pages / f"{page}.html", width=width)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate(OVERFLOW) <= 0
    unfold = "document.querySelectorAll('details').forEach(one => { one.open = true })"
    browser.evaluate(unfold)
    assert browser.evaluate(OVERFLOW) <= 0


def test_the_policy_would_stop_a_script_that_got_in(browser: Browser, pages: Path, tmp_path: Path) -> None:
    """The second line of defence, tried with a page whose escaping was undone."""
    broken = tmp_path / "broken.html"
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    script = "<script>document.title = 'owned'</script><img src='image.png' onload=\"document.title = 'owned'\">"
    broken.write_text((pages / "audit.html").read_text().replace("<main>", f"<main>{script}"))
    browser.open(broken, width=WIDE)
    assert browser.evaluate("document.querySelectorAll('main > script').length") == 1
    assert browser.evaluate("document.title").startswith("blocked:")
    assert browser.evaluate("document.querySelector('main > img').naturalWidth") == 0
    assert browser.refused == [(tmp_path / "image.png").as_uri()]
