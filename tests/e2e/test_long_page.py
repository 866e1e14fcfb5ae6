"""The page of a long video in a real browser."""

from __future__ import annotations

import pytest

from tam_video.report.page import long_page


def timeline(**changes):
    """A timeline of three windows, without a film."""
    windows = [
        {
            "index": number,
            "start_seconds": 100.0 * number,
            "end_seconds": 100.0 * number + 30,
            "status": "done",
            "answer": f"<i>Answer</i> {number}",
            "words": [{"text": "Answer", "span_seconds": [100.0 * number, 100.0 * number + 9]}],
            "run": f"windows/{number}",
        }
        for number in range(3)
    ]
    failed = {"status": "failed", "error": {"type": "ModelError", "message": "it broke"}}
    windows[2] |= {**failed, "answer": "", "words": []}
    del windows[2]["run"]
    gate = {
        "options": {"looks_per_second": 2.0},
        "num_looks": 2000,
        "spans": [{"start_seconds": 100.0, "end_seconds": 130.0, "peak_share": 0.1}],
        "motion": {"start_seconds": 0.0, "bin_seconds": 10.0, "shares": [0.0, 0.1, 0.02]},
    }
    return {
        "video": {
            "name": "hall.mp4",
            "duration_seconds": 1000.0,
            "width": 160,
            "height": 120,
            "num_frames": 10000,
        },
        "question": "What </script> happens?",
        "settings": {"model": "tiny"},
        "windowing": {"window_seconds": 30.0, "stride_seconds": None, "by_scene": False},
        "gate": gate,
        "nothing_moved": False,
        "windows": windows,
        "film": [],
        "warnings": [],
        "version": "0",
        **changes,
    }


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens a page and gives it, with what it complained of."""
    pages = []

    def open_page(document, **context):
        path = tmp_path / "report.html"
        path.write_bytes(long_page(document).encoded())
        page = browser.new_page(**context)
        pages.append(page)
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page, said

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.browser
def test_keys_walk_through_the_windows(opened):
    page, said = opened(timeline())
    assert page.text_content("#place") == "0:00 to 0:30"
    page.keyboard.press("]")
    assert page.text_content("#answer") == "<i>Answer</i> 1"
    assert page.get_attribute("#open", "href") == "windows/1/report.html"
    page.keyboard.press("]")
    assert "it broke" in page.text_content("#answer")
    assert page.locator("#open").is_hidden()
    page.keyboard.press("]")
    assert page.text_content("#place") == "3:20 to 3:50"
    assert said == []


@pytest.mark.browser
def test_blocks_lie_on_the_time_and_choose_their_window(opened):
    page, said = opened(timeline(), viewport={"width": 1200, "height": 800})
    strip = page.locator("#strip").bounding_box()
    block = page.locator("#blocks button").nth(1)
    place = block.bounding_box()
    assert place["x"] - strip["x"] == pytest.approx(0.1 * strip["width"], abs=2)
    assert place["width"] == pytest.approx(0.03 * strip["width"], abs=2)
    block.click()
    assert page.get_attribute("tr[data-window='1']", "aria-current") == "true"
    page.fill("#find", "it broke")
    assert page.text_content("#count") == "1 of 3 windows"
    assert said == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_page_fits_its_window_in_both_themes(opened, scheme, width):
    nothing = timeline(windows=[], nothing_moved=True)
    for document in (timeline(), nothing):
        page, said = opened(document, color_scheme=scheme, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert said == []
    assert "Nothing moved" in page.text_content("#nothing")
