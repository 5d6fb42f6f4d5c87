"""The page in a real browser, which is where its promises are kept or broken."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.card.facts import RunFacts
from components.card.render import render

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (1280, 390)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no chromium; tests/install-browser.sh installs it where it can"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()


class Visit:
    """A page that was opened, with everything that the browser complained about or asked for."""

    def __init__(self, browser: Any, path: Path, width: int) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        # Warnings too: a blocked request is a line in the console.
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.screenshot(path=path.with_name(f"{path.stem}-{width}.png"), full_page=True)

    def foreign_requests(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file://", "data:"))]

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def write(folder: Path, page: str) -> Path:
    path = folder / "card.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_a_card_is_whole_and_asks_nobody(
    browser: Any,
    tmp_path: Path,
    sections: tuple[str, ...],
    verdict: dict,
    evidence: dict,
    run_facts: RunFacts,
    width: int,
) -> None:
    visit = Visit(browser, write(tmp_path, render(verdict, evidence, run_facts)), width)
    assert visit.complaints == []
    assert visit.foreign_requests() == []
    assert visit.overflow() == 0
    assert visit.page.get_by_text(verdict["sentence"]).is_visible()
    for name in sections:
        assert visit.page.locator(f"section#{name} >> visible=true").count() == 1, name
    assert visit.page.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True] * len(
        evidence["worst"]
    )
    heights = visit.page.evaluate(
        "[...document.querySelectorAll('svg.plot')].map(plot => plot.getBoundingClientRect().height)"
    )
    assert len(heights) == 8 and min(heights) > 100
    assert (tmp_path / f"card-{width}.png").stat().st_size > 50_000


@pytest.mark.parametrize("width", WIDTHS)
def test_a_blocked_and_empty_card_is_whole_too(
    browser: Any, tmp_path: Path, sections: tuple[str, ...], width: int
) -> None:
    verdict = {"decision": "BLOCK", "sentence": "Blocked (G0 measurement): the export could not be loaded."}
    visit = Visit(browser, write(tmp_path, render(verdict, {}, None)), width)
    assert visit.complaints == []
    assert visit.overflow() == 0
    assert visit.page.get_by_text(verdict["sentence"]).is_visible()
    for name in sections:
        assert visit.page.locator(f"section#{name}").is_visible(), name


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_labels_run_nothing_and_break_no_layout(
    browser: Any, tmp_path: Path, verdict: dict, evidence: dict, width: int
) -> None:
    label = '<script>document.title="broken"</script><img src=x onerror="document.title=1">' + "w" * 400
    evidence |= {"classes": [label, "b"], "confusion": {"train": [[3, 1], [0, 2]], "eval": [[3, 1], [0, 2]]}}
    evidence["per_class"] = [{"class": label, "count": 4, "precision": 1.0, "recall": 0.75}]
    evidence["worst"] = [one | {"label": label, "predicted": label, "uri": label} for one in evidence["worst"]]
    evidence["ingest"]["reject_examples"] = [{"uri": label, "reason": label, "detail": label}]
    verdict["measurements"]["top_class"] = label
    verdict["checks"][0]["detail"] = label
    visit = Visit(browser, write(tmp_path, render(verdict, evidence, None)), width)
    assert visit.page.title() == "PASS: frostgate run card"
    assert visit.complaints == []
    assert visit.foreign_requests() == []
    assert visit.overflow() == 0


def test_the_page_s_policy_refuses_what_escaping_would_miss(
    browser: Any, tmp_path: Path, verdict: dict, evidence: dict
) -> None:
    page = render(verdict, evidence, None).replace(
        "</main>", '<script>document.title="broken"</script><img src="https://example.com/x.png"></main>'
    )
    visit = Visit(browser, write(tmp_path, page), 1280)
    assert visit.page.title() == "PASS: frostgate run card"
    assert len([text for text in visit.complaints if "Content Security Policy" in text]) == 2


def test_a_printed_card_fits_the_paper(
    browser: Any, tmp_path: Path, verdict: dict, evidence: dict, run_facts: RunFacts
) -> None:
    # A4 between Chromium's own margins, in CSS pixels.
    visit = Visit(browser, write(tmp_path, render(verdict, evidence, run_facts)), 720)
    visit.page.emulate_media(media="print")
    assert visit.overflow() == 0


def test_text_can_be_read_on_light_and_dark_pages(browser: Any, tmp_path: Path, collapsed: tuple[dict, dict]) -> None:
    path = write(tmp_path, render(*collapsed, None))
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        for name in ("--ink", "--muted", "--red", "--green", "--amber", "--blue"):
            assert contrast(page, name) >= 4.5, (scheme, name)


def contrast(page: Any, colour: str) -> float:
    """The WCAG 2 contrast ratio of one of the page's colours on its paper."""
    script = """names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
    light, dark = sorted((luminance(code) for code in page.evaluate(script, [colour, "--paper"])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(code: str) -> float:
    channels = [int(code[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
