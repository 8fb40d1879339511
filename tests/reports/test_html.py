"""The page of the sweep: valid, inert, and good to look at and to use, in a browser and without a script."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import axe_core_python
import html5lib
import pytest

from .chromium import Browser, Page

AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
VOID = {"meta", "br", "link", "img", "input", "hr", "circle", "rect", "path"}
ELEMENTS = set(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "header",
        "figure",
        "svg",
        "circle",
        "text",
        "figcaption",
        "br",
        "div",
        "p",
        "h1",
        "h2",
        "h3",
        "nav",
        "ul",
        "ol",
        "li",
        "main",
        "section",
        "strong",
        "span",
        "small",
        "code",
        "details",
        "summary",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "dl",
        "dt",
        "dd",
        "footer",
        "rect",
        "g",
        "path",
        "desc",
    ]
)
ATTRIBUTES = set(
    [
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "href",
        "id",
        "aria-label",
        "aria-labelledby",
        "aria-hidden",
        "role",
        "tabindex",
        "scope",
        "viewbox",
        "preserveaspectratio",
        "focusable",
        "x",
        "y",
        "cx",
        "cy",
        "r",
        "rx",
        "d",
        "width",
        "height",
        "transform",
        "stroke-dasharray",
        "text-anchor",
    ]
)


class Reader(HTMLParser):
    """Which elements and attributes there are, and what does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        if "href" in given:
            self.links.append(given["href"] or "")
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment: {data[:60]}")


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("organization", ["demo", "stopped", "well", "empty", "hostile", "1500"])
def test_the_page_is_well_formed_and_only_links_within_itself(sample, organization: str) -> None:
    path = sample("html", organization)
    reader = read(path)
    assert reader.faults == []
    # Whatever a name says, it makes no element and no attribute.
    assert reader.elements <= ELEMENTS, reader.elements - ELEMENTS
    assert reader.attributes <= ATTRIBUTES, reader.attributes - ATTRIBUTES
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids) and all(
        link.startswith("#") for link in reader.links
    )
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(path.read_text())
    # The parser reads titles and table markup strictly; what it complains of would be repaired differently by different browsers.
    assert parser.errors == [], parser.errors[:5]


def test_hostile_texts_are_shown_as_they_are_and_do_nothing(sample, browser: Browser) -> None:
    tree = html5lib.parse(sample("html", "hostile").read_text(), namespaceHTMLElements=False)
    shown = " ".join(" ".join(tree.itertext()).split())
    for text in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "&lt;b&gt; &#60;script&#62;",
        "[U+202E]",
        "https[:]//evil.example",
    ):
        assert text in shown, text
    page = Page(browser, 1280, 900)
    page.open(sample("html", "hostile"))
    assert page.complaints() == []
    assert page.requests() == [sample("html", "hostile").as_uri()]
    assert (
        page.evaluate(
            "document.scripts.length + document.images.length + document.querySelectorAll('iframe,object,embed,form,link').length"
        )
        == 0
    )


def test_the_security_policy_lets_in_the_one_style_and_nothing_else(sample) -> None:
    text = sample("html").read_text()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert style and policy
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1] and "@import" not in style[1]
    assert not re.search(r"\sstyle=|\son\w+=|<script", text)


LOOKS = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
    "dark": {"width": 1280, "height": 900, "scheme": "dark"},
    "phone-dark": {"width": 390, "height": 844, "scheme": "dark"},
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("organization", ["demo", "well", "empty", "hostile", "1500"])
def test_the_page_is_quiet_accessible_and_fits_the_screen(
    sample, browser: Browser, pictures: Path, organization: str, look: str
) -> None:
    path = sample("html", organization)
    page = Page(browser, **LOOKS[look])
    page.open(path)
    if organization != "1500":
        page.screenshot(pictures / f"{organization}-{look}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the side"
    # Closed parts count as well.
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()], "it needs nothing but itself"
    if organization == "1500":
        return
    page.evaluate(AXE.read_text() + ";0")
    result = page.evaluate(
        "axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(r => JSON.parse(JSON.stringify(r)))"
    )
    violations = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in result["violations"]]
    assert violations == [], json.dumps(violations, indent=1)


def test_the_page_can_be_read_without_a_script_and_with_the_keyboard(sample, browser: Browser) -> None:
    quiet = Page(browser, 1280, 900, script=False)
    quiet.open(sample("html"))
    assert quiet.complaints() == []
    page = Page(browser, 1280, 900)
    page.open(sample("html"))
    page.key("Tab", 9)
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.evaluate("document.querySelector('.account summary').focus()")
    page.key("Enter", 13)
    assert page.evaluate("document.querySelector('.account').open"), "a part opens by its key"
    # A link of the matrix opens the account that it names.
    page.evaluate("location.hash = document.querySelector('.matrix a').getAttribute('href')")
    assert page.evaluate("document.querySelector(location.hash).closest('details').open")


def test_what_is_closed_on_the_screen_is_printed(sample, browser: Browser, pictures: Path) -> None:
    page = Page(browser, 800, 1100)
    page.open(sample("html"))
    seen = "document.querySelector('.row dl').checkVisibility({contentVisibilityAuto: true})"
    assert page.evaluate(seen) is False
    page.media("light", "print")
    page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.evaluate(seen) is True
    page.screenshot(pictures / "demo-print.png")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf().startswith(b"%PDF")


def test_the_page_says_first_what_matters_most(sample, browser: Browser) -> None:
    page = Page(browser, 1280, 900)
    page.open(sample("html"))
    said = page.evaluate("[document.querySelector('h1').textContent, document.querySelector('.ring-text').textContent]")
    assert said == [
        "4 of 14 resources lack protection, 1 check fails and 1 account could not be read, or not wholly.",
        "64.2 %",
    ]
    assert page.evaluate("document.querySelector('h1').getBoundingClientRect().bottom < innerHeight")
    first = page.evaluate("document.querySelector('.finding').innerText")
    for word in (
        "CRITICAL",
        "BKC-038",
        "payroll (111111111111)",
        "arn:aws:kms:eu-central-1:111111111111:key/",
        "kms:CreateGrant",
    ):
        assert word in first, word
    # The broken way is marked and told, in the picture and in the table under it.
    assert page.evaluate("document.querySelectorAll('.topology .mark').length") == 2
    assert "2 never copied, 68 recovery p" in page.evaluate("document.querySelector('.topology').textContent")
    assert "stopped by BKC-038, 2 never copied" in page.evaluate("document.querySelector('.topology').textContent")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(one => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_a_way_that_a_policy_will_stop_is_marked_before_a_copy_fails(sample, browser: Browser) -> None:
    page = Page(browser, 1280, 900)
    page.open(sample("html", "stopped"))
    edges = page.evaluate("[...document.querySelectorAll('.picture .edge')].map(one => one.classList[1])")
    assert sorted(edges) == ["broken", "broken", "stopped", "unseen", "well"]
    assert "stopped by BKC-022" in page.evaluate("document.querySelector('.picture').textContent")
    # Told apart by form, and said in words: in the legend, and in the table.
    assert page.evaluate("document.querySelectorAll('.picture .mark rect').length") == 1
    assert page.evaluate("document.querySelectorAll('.picture .mark circle').length") == 2
    legend = page.evaluate("document.querySelector('.signs').innerText")
    for words in (
        "to be stopped: ",
        "broken: ",
        "BKC-022 does not hold: The vaults that an account copies into admit it",
    ):
        assert words in legend, legend
    rows = page.evaluate("[...document.querySelectorAll('#topology tbody tr')].map(one => one.textContent)")
    assert ["to be stoppedstopped by BKC-022" in row for row in rows].count(True) == 1, rows


def test_the_page_of_ten_thousand_accounts_stays_usable(sample, browser: Browser) -> None:
    path = sample("html", "10000")
    assert path.stat().st_size < 4 * 1024 * 1024
    page = Page(browser, 1280, 900)
    page.open(path)
    assert page.evaluate("document.querySelectorAll('.account').length") == 200
    assert page.evaluate("document.querySelectorAll('.matrix tbody tr').length") == 1000
    assert "and 9,000 more accounts." in page.evaluate("document.querySelector('#coverage').textContent")
    assert page.evaluate("document.documentElement.scrollHeight") < 60_000
