"""Every report that lies here, as a browser shows it: alone, light, and told to who cannot see.

The pages of the real results are in the repository; those of other corpora where they were made.
"""

import re
from html.parser import HTMLParser

import browser
import nbformat.v4 as nb
import pytest

from mer_utils import paths
from mer_utils.reporting import pages

FOLDERS = {paths.ROOT / "reports" / "html", paths.HTML}
PAGES = sorted(page for folder in FOLDERS for page in folder.rglob("*.html"))
LARGEST = 3_000_000  # bytes
REAL = {"40_protocol", "50_comparison", "51_published", "52_ablations", "90_summary"}  # committed
UNTOLD = "[...document.images].filter(each => !each.alt.trim()).length"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"


def test_the_pages_of_the_real_results_are_here():
    named = {page.stem for page in PAGES if page.parent.name == "megc2019_flow"}
    assert named >= REAL


def test_no_committed_page_tells_where_it_was_made():
    place = re.compile(r""">["'](/\w|[A-Z]:\\)""")  # a string of code, as highlighted
    for page in (paths.ROOT / "reports" / "html" / "megc2019_flow").glob("[0-9]*.html"):
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


class Images(HTMLParser):
    """The alternative texts of a page's pictures."""

    def __init__(self, text):
        super().__init__()
        self.told = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.told.append((dict(attrs).get("alt") or "").strip())


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_committed_page_is_light_and_tells_its_pictures_without_a_browser_too(name):
    page = paths.ROOT / "reports" / "html" / "megc2019_flow" / f"{name}.html"
    assert page.stat().st_size < LARGEST
    told = Images(page.read_text(encoding="utf-8")).told
    assert told and all(told)


@browser.needed
@pytest.mark.skipif(not PAGES, reason="no report has been made: ./run_all.sh makes them")
def test_pages_are_light_need_no_network_and_leave_no_picture_untold(tmp_path):
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
                    told["params"]["request"]["url"]
                    for told in tab.told
                    if told.get("method") == "Network.requestWillBeSent"
                ]
                away = [url for url in asked if not url.startswith("data:")]
                assert away == [page.as_uri()], name
                assert tab.value(UNTOLD) == 0, name
                assert not tab.value(WIDE), f"{name} is wider than {width} pixels"
