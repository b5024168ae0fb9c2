"""A real browser before a real server: what its cache shows, and what scripts of other sites may read."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from servers import PATIENCE, Server, serve, write_story

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs Chromium: apt-get install chromium chromium-driver"
)

# In a container there is neither the kernel's sandbox for root nor much of /dev/shm.
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site without `site.base_url`, so that it says that it is where it listens."""
    folder = tmp_path_factory.mktemp("browser")
    write_story(folder / "articles", "_news/one", title="First", topics=["AI"])
    with serve(folder, "--access-log", "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A browser that starts with an empty cache; each test asks for addresses of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for option in OPTIONS:
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


def typed(browser: webdriver.Chrome, url: str) -> str:
    """Where an address leads that is typed into an empty tab."""
    browser.get("about:blank")
    browser.get(url)
    return browser.current_url


def clicked(browser: webdriver.Chrome, page: str, feed: str) -> str:
    """Where the page's own link to a feed leads."""
    browser.get(page)
    browser.find_element(By.CSS_SELECTOR, f'a[href$="{feed}"]').click()
    WebDriverWait(browser, PATIENCE).until(lambda _: browser.current_url != page)
    return browser.current_url


def ask(browser: webdriver.Chrome, url: str, **init: Any) -> dict[str, Any]:
    """The response that a script of the open page gets from a URL."""
    script = """
        const [url, init, done] = arguments;
        fetch(url, init).then(
            async answer => done({status: answer.status, body: await answer.text(),
                                  headers: Object.fromEntries(answer.headers)}),
            error => done({failure: String(error)}));
    """
    found: dict[str, Any] = browser.execute_async_script(script, url, init)
    return found


@pytest.mark.parametrize("suffix", ["rss", "atom", "json"])
def test_a_feed_in_the_cache_of_a_browser_is_not_shown_for_an_address_that_is_typed(
    browser: webdriver.Chrome, server: Server, suffix: str
) -> None:
    site = f"http://127.0.0.1:{server.port}"
    page, feed = f"{site}/topics/ai", f"{site}/topics/ai.{suffix}"
    for _ in range(2):
        assert clicked(browser, page, f"/topics/ai.{suffix}") == feed
        assert typed(browser, feed) == page
    for _ in range(2):  # by a script of the same site; pages of ours forbid it
        browser.get(f"{site}/healthz")
        assert ask(browser, feed)["status"] == 200
        assert typed(browser, feed) == page


def titles(browser: webdriver.Chrome) -> list[str]:
    """The headings of the articles on the open page."""
    return [one.text for one in browser.find_elements(By.CSS_SELECTOR, "article h3")]


def turned(browser: webdriver.Chrome, text: str) -> bool:
    """Whether the open page has a link with a text, which is then followed."""
    links = browser.find_elements(By.LINK_TEXT, text)
    if links:
        before = browser.current_url
        links[0].click()
        WebDriverWait(browser, PATIENCE).until(lambda _: browser.current_url != before)
    return bool(links)


def test_a_person_pages_to_the_oldest_article_and_back(browser: webdriver.Chrome, tmp_path: Path) -> None:
    dates = [f"2024-{month:02d}-{day:02d}T10:00:00Z" for month in (1, 2, 4) for day in range(1, 29)]
    for number, date in enumerate(dates):
        write_story(tmp_path / "articles", f"_news/{number}", title=f"Story {number}", date=date)
    with serve(tmp_path, "--workers", "1") as server:
        page = f"http://127.0.0.1:{server.port}/topics/ai"
        browser.get(page)
        seen, turns = titles(browser), 0
        while turned(browser, "Older articles"):
            seen, turns = [*seen, *titles(browser)], turns + 1
        assert browser.current_url == f"{page}/2024-01.1"
        # The first page that follows repeats what the listing shows of the same month.
        assert list(dict.fromkeys(seen)) == [f"Story {number}" for number in reversed(range(len(dates)))]
        assert turns == 2
        # The way back also passes the month that the listing shows whole.
        while turned(browser, "Newer articles"):
            turns -= 1
        assert turns == 0
        assert browser.current_url == f"{page}/2024-04.1"
        assert turned(browser, "Latest articles")
        assert browser.current_url == page


class OtherSite(http.server.BaseHTTPRequestHandler):
    """A page of another origin, which web readers are."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A reader</title>")

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def reader(browser: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser, with a web reader open in it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        browser.get(f"http://127.0.0.1:{site.server_port}/")
        yield browser
        site.shutdown()


@pytest.mark.parametrize(
    "path", ["/topics/ai.rss", "/topics/ai", "/status.json", "/topics.opml", "/none.rss"]
)
def test_a_script_of_another_site_reads_what_is_there(
    reader: webdriver.Chrome, server: Server, path: str
) -> None:
    url = f"http://127.0.0.1:{server.port}{path}"
    found = ask(reader, url)
    assert found["status"] == (404 if path == "/none.rss" else 200)
    assert found["body"]
    assert ("etag" in found["headers"]) == (path not in ("/status.json", "/none.rss"))


def test_a_script_of_another_site_may_send_any_header(reader: webdriver.Chrome, server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/articles.atom"
    held = ask(reader, url)
    sent = {"X-Requested-With": "reader", "A-IM": "feed", "Traceparent": "00-1", "Cache-Control": "no-cache"}
    assert ask(reader, url, headers=sent)["status"] == 200
    assert ask(reader, url, headers={"Authorization": "Bearer x"})["status"] == 200
    conditional = {"If-None-Match": held["headers"]["etag"]}
    assert ask(reader, url, headers=conditional, cache="no-store")["status"] == 304


def test_a_script_of_another_site_reads_no_paths_of_files(reader: webdriver.Chrome, server: Server) -> None:
    write_story(server.folder / "articles", "_news/broken", title="Broken", date="not a date")
    server.wait_for(lambda: b"broken.md" in server.ask("/status.json").body)
    assert "broken.md" not in ask(reader, f"http://127.0.0.1:{server.port}/status.json")["body"]
