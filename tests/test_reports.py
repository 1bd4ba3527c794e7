"""Every report of this folder, as a browser shows it: alone, light, and with words for pictures.

The pages of the real results are in the repository; those of other corpora where they were made.
"""

import re
from urllib.parse import unquote

import browser
import nbformat.v4 as nb
import pytest
from bs4 import BeautifulSoup

from mer_utils import paths
from mer_utils.reporting import pages

HTML = paths.ROOT / "reports" / "html"  # of the repository
PAGES = sorted(page for folder in {HTML, paths.HTML} for page in folder.rglob("*.html"))
LARGEST = 3_000_000  # bytes
REAL = {"40_protocol", "50_comparison", "51_published", "52_ablations", "90_summary"}  # committed
WITHOUT_ALT = "[...document.images].filter(image => !image.alt.trim()).length"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"


def test_the_pages_of_the_real_results_are_here():
    named = {page.stem for page in PAGES if page.parent.name == "megc2019_flow"}
    assert named >= REAL


def test_no_committed_page_tells_where_it_was_made():
    place = re.compile(r""">["'](/\w|[A-Z]:\\)""")  # a string of code, as highlighted
    for page in (HTML / "megc2019_flow").glob("[0-9]*.html"):
        if page.stem in REAL:
            assert not place.search(page.read_text(encoding="utf-8")), page.name


@pytest.mark.parametrize("folder", ["/home/me/my data/flow", r"C:\\Users\\me\\flow"])
def test_a_page_names_the_folder_of_the_data_and_not_the_way_to_it(folder):
    cell = nb.new_code_cell(
        f'corpus = "casme2"\ndata = "{folder}"\nseed = 0',
        metadata={"tags": ["injected-parameters"]},
    )
    notebook = nb.new_notebook(cells=[nb.new_markdown_cell("# Why?"), cell])
    shown = pages._readable(notebook).cells[1].source
    assert shown == 'corpus = "casme2"\ndata = "…/flow"\nseed = 0'
    assert cell.source != shown  # the executed copy keeps what it ran with
    cell.source = 'data = ""'
    assert pages._readable(notebook).cells[1].source == 'data = ""'


@pytest.mark.parametrize("name", ["index", *sorted(REAL)])
def test_a_committed_page_is_light_and_its_pictures_have_words_without_a_browser_too(name):
    page = HTML / ("index.html" if name == "index" else f"megc2019_flow/{name}.html")
    assert page.stat().st_size < LARGEST
    pictures = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find_all("img")
    assert pictures and all(picture.get("alt", "").strip() for picture in pictures)


def test_every_link_of_a_committed_page_leads_somewhere_in_a_fresh_clone():
    """The front page is committed with the pages, and lists all of them."""
    ends = {}
    for page in (HTML / "index.html", *(HTML / "megc2019_flow" / f"{name}.html" for name in REAL)):
        links = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find_all(
            "a", href=True
        )
        targets = [unquote(link["href"].partition("#")[0]) for link in links]
        ends[page] = {
            (page.parent / target).resolve()
            for target in targets
            if target and not target.startswith("https:")
        }
        assert all(end.is_file() for end in ends[page]), page
        assert page.name == "index.html" or HTML / "index.html" in ends[page]
    assert {end.stem for end in ends[HTML / "index.html"]} >= REAL


@browser.needed
@pytest.mark.skipif(not PAGES, reason="no report has been made: ./run_all.sh makes them")
def test_pages_are_light_need_no_network_and_leave_no_picture_without_words(tmp_path):
    with browser.opened(tmp_path) as tab:
        tab.call("Network.enable")
        tab.call("Page.enable")
        for page in PAGES:
            name = f"{page.parent.name}/{page.name}"
            assert page.stat().st_size < LARGEST, name
            for width in (1280, 390):
                tab.told.clear()
                tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                         deviceScaleFactor=1, mobile=width < 500)  # fmt: skip
                tab.call("Page.navigate", url=page.as_uri())
                here = f"document.readyState === 'complete' && location.href === '{page.as_uri()}'"
                tab.until(here)
                asked = [
                    event["params"]["request"]["url"]
                    for event in tab.told
                    if event.get("method") == "Network.requestWillBeSent"
                ]
                away = [url for url in asked if not url.startswith("data:")]
                assert away == [page.as_uri()], name
                assert tab.value(WITHOUT_ALT) == 0, name
                assert not tab.value(WIDE), f"{name} is wider than {width} pixels"
