"""The report in a real browser: from disk, as one file, and served."""

from __future__ import annotations

import base64
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from render_cases import map_at
from report_runs import ANSWER, SAMPLE, make_explanation

from tam_video.render.overlay import color_table, upsample
from tam_video.report import find_runs, write_index, write_report
from tam_video.types import Message, Verification, View, WordVerification
from tam_video.video.writer import write_video

pytestmark = pytest.mark.browser

SIZE = {"width": 1280, "height": 900}
HOSTILE = "<img src=x onerror='window.hacked=1'>"
PIXELS = """() => {
  const canvas = document.querySelector(".screen:not([hidden]) .heat");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) {
    text += String.fromCharCode(...data.subarray(at, at + 8192));
  }
  return [canvas.width, canvas.height, btoa(text)];
}"""


@contextmanager
def opened(browser, url, **options):
    """A page; at the end, no error was said and nothing was asked from elsewhere."""
    context = browser.new_context(viewport=SIZE, **options)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: message.type == "error" and said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(url)
        page.wait_for_selector("html[data-ready]", timeout=20_000)
        yield page
        assert said == []
        home = url.partition("#")[0].rpartition("/")[0]
        assert all(each.startswith((f"{home}/", "data:", "about:")) for each in asked), asked
    finally:
        context.close()


@pytest.fixture(params=["file", "single", "served"])
def address(request, reported):
    if request.param == "served":
        return f"{request.getfixturevalue('served')[0]}/one/report.html"
    name = "report_single.html" if request.param == "single" else "report.html"
    return (reported / "one" / name).as_uri()


@pytest.fixture
def page(browser, reported):
    """The report of `one`, from disk."""
    with opened(browser, (reported / "one" / "report.html").as_uri()) as result:
        yield result


def until(page, claim, *, seconds=15):
    """Wait for an expression to be true, asked from outside: the page's policy lets none in."""
    end = time.monotonic() + seconds
    while not page.evaluate(claim):
        assert time.monotonic() < end, claim
        page.wait_for_timeout(30)


def pixels(page):
    """uint8 [H, W, 4] of our own canvas."""
    width, height, data = page.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)


def word(page, text):
    return page.locator(".word", has_text=re.compile(f"^{re.escape(text)}$")).first


def shown_seconds(page):
    return float(page.locator("#time").inner_text().removesuffix(" s"))


def wait_for_picture(page):
    until(page, "document.querySelector('video').readyState >= 2")


def index_of(explanation, text):
    return next(each.index for each in explanation.words if each.text == text)


def test_it_plays_and_seeks_and_shows_heat(browser, address):
    explanation = make_explanation()
    with opened(browser, address) as page:
        wait_for_picture(page)
        for text in ("triangle", "right"):
            word(page, text).click()
            number = index_of(explanation, text)
            slot = number % 8
            wanted = explanation.layout.slot_seconds(explanation.pts_seconds)[slot]
            assert shown_seconds(page) == pytest.approx(wanted, abs=0.006)
            assert page.locator("#slot").inner_text() == f"slot {slot + 1} of 8"
            until(page, "!document.querySelector('video').seeking")
            media = page.evaluate("document.querySelector('video').currentTime")
            assert media == pytest.approx(wanted, abs=1e-3)
        page.keyboard.press(" ")
        now = "document.querySelector('video').currentTime"
        until(page, f"{now} > {wanted + 0.3}")
        until(page, f"parseFloat(document.getElementById('time').textContent) > {wanted}")
        page.keyboard.press(" ")
        assert page.evaluate("document.querySelector('video').paused")


def test_heat_is_that_of_the_annotated_video(browser, page):
    explanation = make_explanation()
    for text in ("cyan", "down"):
        word(page, text).click()
        number = index_of(explanation, text)
        got = pixels(page).astype(float)
        slots = explanation.layout.slot_seconds(explanation.pts_seconds)
        cells = map_at(explanation.word_maps[number], slots, float(slots[number % 8]))
        heat = upsample(cells, width=got.shape[1], height=got.shape[0])
        assert np.abs(got[..., 3] - 0.6 * heat).max() <= 2
        hot = heat > 200
        colours = color_table("turbo")[heat[hot]].astype(float)
        assert np.abs(got[hot][:, :3] - colours).mean() < 6  # canvases keep colour times alpha


def test_hover_previews_and_click_pins(page):
    word(page, "cyan").click()
    page.mouse.move(5, 5)
    pinned = pixels(page)
    word(page, "triangle").hover()
    assert page.locator("#detail-title").inner_text() == "triangle"
    assert not np.array_equal(pixels(page), pinned)
    assert word(page, "cyan").get_attribute("aria-pressed") == "true"
    page.mouse.move(5, 5)
    assert np.array_equal(pixels(page), pinned)
    word(page, "triangle").click()
    assert word(page, "triangle").get_attribute("aria-pressed") == "true"
    assert not np.array_equal(pixels(page), pinned)
    page.locator("#all-words").click()
    assert page.locator(".word[aria-pressed=true]").count() == 0


def test_keys_select_words_and_slots(page):
    word(page, "cyan").click()
    for key, text in (("]", "ring"), ("]", "moves"), ("[", "ring")):
        page.keyboard.press(key)
        assert page.locator(".word[aria-pressed=true]").inner_text() == text
    assert page.locator("#slot").inner_text() == "slot 3 of 8"
    page.keyboard.press("ArrowRight")
    assert page.locator("#slot").inner_text() == "slot 4 of 8"
    page.keyboard.press("w")
    assert page.locator("#slot").inner_text() == "slot 3 of 8"
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowLeft")
    before = shown_seconds(page)
    page.keyboard.press("Shift+ArrowRight")
    assert shown_seconds(page) - before == pytest.approx(1 / 12, abs=0.02)
    for key, name in (("s", "side"), ("o", "outline"), ("c", "captions")):
        page.keyboard.press(key)
        assert page.locator(f"#{name}").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.locator("#detail-title").inner_text() == "All content words"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.locator("#shortcuts").uncheck()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("]")
    assert page.locator(".word[aria-pressed=true]").count() == 0


def test_words_and_rows_work_by_tab_and_arrows(page):
    word(page, "cyan").focus()
    assert page.locator("#detail-title").inner_text() == "cyan"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".word[aria-pressed=true]").inner_text() == "ring"
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('video').paused")
    strip = page.locator(".strip").first
    strip.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#slot").inner_text() == "slot 2 of 8"
    assert page.locator(".word[aria-pressed=true]").inner_text() == "cyan"
    assert "slot 2" in strip.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(".word[aria-pressed=true]").inner_text() == "ring"
    assert "ring: slot 2" in page.locator("#cell").inner_text()


def test_a_click_in_the_matrix_selects_word_and_time(page):
    row = page.locator(".row", has_text="triangle")
    row.scroll_into_view_if_needed()
    box = row.locator(".strip").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 5)
    assert page.locator(".word[aria-pressed=true]").inner_text() == "triangle"
    assert page.locator("#slot").inner_text() == "slot 8 of 8"
    assert "triangle: slot 8" in page.locator("#cell").inner_text()
    rows = page.locator(".row").count()
    colours = page.evaluate(
        """(rows) => {
          const canvas = document.querySelector(".cover canvas");
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const size = data.length / rows;
          return Array.from({length: rows}, (_, row) =>
            data.subarray(row * size, (row + 1) * size).some((value) => value > 0));
        }""",
        rows,
    )
    assert all(colours)
    page.locator("#functions").check()
    assert page.locator(".row").count() == len(make_explanation().words)


def test_the_seek_bar_seeks(page):
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 10)
    assert shown_seconds(page) == pytest.approx(2.0, abs=0.05)
    bar = page.locator("#timeline")
    assert bar.get_attribute("aria-valuetext").startswith("2.0")
    page.keyboard.press("?")
    page.locator("#shortcuts").uncheck()
    page.locator("#help button").click()
    bar.focus()
    for key, slot in (("Home", 1), ("ArrowRight", 2), ("End", 8), ("ArrowRight", 8)):
        page.keyboard.press(key)
        assert page.locator("#slot").inner_text() == f"slot {slot} of 8"


def test_the_table_sorts_and_pins(page):
    page.locator("thead button", has_text="Peak time").click()
    times = page.locator("tbody td:nth-child(2)").all_inner_texts()
    seconds = [float(each.removesuffix(" s")) for each in times]
    assert seconds == sorted(seconds)
    page.locator("thead button", has_text="Peak time").click()
    assert page.locator("[aria-sort=descending]").inner_text() == "Peak time"
    page.locator("tbody button").first.click()
    pinned = page.locator(".word[aria-pressed=true]").inner_text()
    assert pinned == page.locator("tbody tr.current th").inner_text()


def test_a_link_opens_word_and_time(browser, page):
    word(page, "triangle").click()
    number = index_of(make_explanation(), "triangle")
    until(page, f"location.hash.includes('word={number}')")
    url = page.url
    with opened(browser, url.replace(url.partition("t=")[2], "1.5")) as again:
        assert again.locator(".word[aria-pressed=true]").inner_text() == "triangle"
        assert shown_seconds(again) == pytest.approx(1.5, abs=0.01)
        again.evaluate("location.hash = '#word=1&t=0.5'")
        until(again, "document.querySelector('#detail-title').textContent === 'cyan'")
        again.evaluate("location.hash = '#word=99&t=nonsense&input=-3'")
        until(again, "!document.querySelector('.word[aria-pressed=true]')")


def test_display_controls_change_the_canvas(page):
    word(page, "cyan").click()
    page.mouse.move(5, 5)
    before = pixels(page)
    set_range(page, "opacity", 1)
    assert pixels(page)[..., 3].max() > before[..., 3].max()
    set_range(page, "threshold", 0.5)
    assert (pixels(page)[..., 3] > 0).sum() < (before[..., 3] > 0).sum()
    colours = {}
    for name in ("cividis", "inferno", "jet", "turbo"):
        page.locator("#colormap").select_option(name)
        colours[name] = tuple(pixels(page).reshape(-1, 4).max(axis=0))
    assert len(set(colours.values())) > 1
    page.locator("#outline").click()
    assert ((pixels(page) == 255).all(axis=2)).any()
    page.locator("#box").click()
    assert page.locator(".box").is_visible()


def set_range(page, name, value):
    page.locator(f"#{name}").evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input')); }", value
    )


def test_side_by_side_shows_the_original_without_heat(page):
    wait_for_picture(page)
    word(page, "cyan").click()
    page.locator("#side").click()
    assert page.locator(".pane.copy .heat").count() == 1
    assert page.locator(".pane.source .heat").count() == 0
    size = page.locator("canvas.frame").evaluate("(canvas) => [canvas.width, canvas.height]")
    assert size == [224, 224]
    assert page.locator(".pane.copy").is_visible()
    page.locator("#side").click()
    assert page.locator(".pane.source .heat").count() == 1


def test_captions_name_the_words_in_view(page):
    page.locator("#captions").click()
    result = page.evaluate(
        """() => {
          const track = document.querySelector('video').textTracks[0];
          return [track.mode, [...track.cues].map((cue) => [cue.startTime, cue.endTime, cue.text])];
        }"""
    )
    assert result[0] == "showing"
    starts, ends, texts = zip(*result[1], strict=True)
    assert starts[0] == 0
    assert list(starts[1:]) == pytest.approx(ends[:-1])
    assert "cyan" in texts[0]


def test_relevance_of_text_tokens_is_shown(page):
    word(page, "ring").click()
    assert "“cyan” 1.00" in page.locator("#drawn").inner_text()
    bars = page.locator(".word").evaluate_all(
        "(words) => words.map((word) => Number(word.style.getPropertyValue('--drawn')))"
    )
    assert bars[:4] == [0.502, 1, 0, 0]
    assert page.locator(".odds li").count() == 3
    assert "70.0 %" in page.locator(".odds li.said").inner_text()


def test_several_inputs_are_tabs(browser, reported):
    with opened(browser, (reported / "two" / "report.html").as_uri()) as page:
        word(page, "cyan").click()
        first = pixels(page)
        page.get_by_role("tab", name="plan.png").click()
        assert page.locator("#screen-1").is_visible()
        assert not page.locator("#screen-0").is_visible()
        assert pixels(page).shape != first.shape
        assert not page.locator(".transport").is_visible()
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", selected=True).inner_text() == "1. shapes.mp4"
        until(page, "!location.hash.includes('input=')")


def test_a_crop_is_hatched_and_heat_stays_inside(browser, tmp_path):
    view = View(0.25, -0.2, 0.75, 1.0)
    explanation = make_explanation(view=view)
    run = explanation.save(tmp_path / "run")
    with opened(browser, write_report(run).as_uri()) as page:
        word(page, "purple").click()
        got = pixels(page).astype(float)
        cells = explanation.word_maps[index_of(explanation, "purple"), 0]
        heat = upsample(cells, width=got.shape[1], height=got.shape[0], view=view)
        inside = slice(got.shape[1] // 4, got.shape[1] * 3 // 4)
        assert np.abs(got[:, inside, 3] - 0.6 * heat[:, inside]).max() <= 2
        assert (got[:, : got.shape[1] // 4, 3] == 178).all()


def test_hostile_text_stays_text(browser, tmp_path):
    source = tmp_path / "<svg onload=alert(1)>&quot; {{7*7}} .mp4"
    source.write_bytes(SAMPLE.read_bytes())
    answer = f"{HOSTILE} </script><script>window.hacked=1</script> javascript:x"
    explanation = make_explanation(
        source,
        answer=answer,
        question=HOSTILE,
        turns=(Message("user", HOSTILE), Message("assistant", f"<!--{HOSTILE}")),
    )
    run = explanation.save(tmp_path / "run")
    for single in (False, True):
        url = write_report(run, single_file=single).as_uri()
        with opened(browser, url, bypass_csp=True) as page:
            assert page.locator("h1").inner_text() == source.name
            shown = page.locator("#answer").evaluate("(area) => area.textContent")
            assert shown == answer
            assert page.locator(".user .bubble").last.inner_text() == HOSTILE
            for button in page.locator(".word").all()[:5]:
                button.hover()
            page.locator("#captions").click()
            page.locator("#functions").check()
            page.wait_for_timeout(200)
            assert page.evaluate("window.hacked") is None
            assert page.locator("main img, main svg[onload], main script").count() == 0
    index = write_index([run], tmp_path / "index.html")
    with opened(browser, index.as_uri(), bypass_csp=True) as page:
        assert page.locator(".question").inner_text() == HOSTILE
        page.locator("#find").fill("<IMG")
        assert page.locator("#count").inner_text() == "1 runs"
        assert page.evaluate("window.hacked") is None


def test_the_policy_stops_injected_scripts(browser, reported, tmp_path):
    text = (reported / "one" / "report.html").read_text(encoding="utf-8")
    target = tmp_path / "report.html"
    target.write_text(text.replace("<main>", f"<main>{HOSTILE}<script>window.hacked=1</script>"))
    page = browser.new_page()
    page.goto(target.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("window.hacked") is None
    page.close()


def load_seconds(browser, page):
    """What all processes of the browser work until a page is ready: no other load counts."""
    session = browser.new_browser_cdp_session()

    def worked():
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        return sum(each["cpuTime"] for each in processes)

    before = worked()
    page.reload()
    page.wait_for_selector("html[data-ready]")
    return worked() - before


def test_a_minute_with_sixty_words_is_small_and_opens_quickly(browser, tmp_path):
    source = tmp_path / "minute.mp4"
    frame = np.full((180, 320, 3), 90, np.uint8)
    frames = ((k / 5, frame + np.uint8(k % 60)) for k in range(300))
    write_video(source, frames, width=320, height=180, end_seconds=60.0)
    answer = " ".join(f"word{number}" for number in range(60))
    explanation = make_explanation(source, answer=answer, slots=60, rows=14, columns=26)
    page_file = write_report(explanation.save(tmp_path / "run"))
    assert page_file.stat().st_size < 5e6
    with opened(browser, page_file.as_uri()) as page:
        assert min(load_seconds(browser, page) for _ in range(3)) < 1
        assert page.locator(".word").count() == 60


def test_an_empty_answer_has_a_report(browser, tmp_path):
    run = make_explanation(answer="").save(tmp_path / "run")
    with opened(browser, write_report(run).as_uri()) as page:
        assert "(the answer is empty)" in page.locator("#answer").inner_text()
        page.keyboard.press("]")
        page.keyboard.press("w")


def test_without_a_clip_slots_can_be_stepped_and_played(browser, tmp_path):
    run = make_explanation().save(tmp_path / "run")
    with opened(browser, write_report(run, clip=False).as_uri()) as page:
        word(page, "cyan").click()
        assert page.locator("#slot").inner_text() == "slot 2 of 8"
        page.locator("#play").click()
        until(page, "document.querySelector('#slot').textContent === 'slot 4 of 8'")
        page.locator("#play").click()


def test_a_causal_check_is_shown_beside_its_word_and_in_the_table(browser, tmp_path):
    explanation = make_explanation()
    names = [each.text for each in explanation.words]
    checks = (
        WordVerification(names.index("cyan"), 0, 0.7, 0.2, (0.7, 0.6)),
        WordVerification(names.index("triangle"), 0, 0.7, 0.1),
        WordVerification(names.index("down"), 0, 0.7),
    )
    checked = replace(explanation, verification=Verification(checks, 9))
    page_file = write_report(checked.save(tmp_path / "run"), clip=False)
    with opened(browser, page_file.as_uri()) as page:
        word(page, "cyan").click()
        assert checks[0].sentence in page.locator("#facts").inner_text()
        word(page, "ring").click()
        assert "When it is hidden" not in page.locator("#facts").inner_text()
        page.locator("thead button", has_text="Track hidden").click()
        shown = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
        assert [row[0].strip() for row in shown[:2]] == ["triangle", "cyan"]
        assert [row[-1] for row in shown[:3]] == ["10.0 %", "20.0 % (below 2 of 2)", "\u2013"]
        assert "1 of 1 words" in page.locator(".list").inner_text()


def test_the_index_filters_sorts_and_opens(browser, reported, served):
    write_index(find_runs(reported), reported / "index.html")
    for url in ((reported / "index.html").as_uri(), f"{served[0]}/"):
        with opened(browser, url) as page:
            assert page.locator(".run").count() == 2
            page.locator("#find").fill("more")
            assert page.locator(".run:visible h2").all_inner_texts() == ["shapes.mp4 + 1 more"]
            page.locator("#find").fill("nothing of that kind")
            assert page.locator("#none").is_visible()
            page.locator("#find").fill("")
            page.locator("#sort").select_option("name")
            names = page.locator(".run h2").all_inner_texts()
            assert names == sorted(names)
            pictures = page.locator(".run img").evaluate_all(
                "(all) => all.map((x) => x.naturalWidth)"
            )
            assert min(pictures) > 0
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.locator(".run a").first.click()
        page.wait_for_selector("html[data-ready] #answer")
        context.close()


def test_a_notebook_shows_a_player_in_a_sandboxed_frame(browser, tmp_path):
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html>{make_explanation()._repr_html_()}", encoding="utf-8")
    with browser.new_context(viewport=SIZE) as context:
        page, said = context.new_page(), []
        page.on("console", lambda message: message.type == "error" and said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(notebook.as_uri())
        frame = page.frame_locator("iframe")
        frame.locator(".word", has_text="cyan").click()
        assert frame.locator("#slot").inner_text() == "slot 2 of 8"
        first = frame.locator("img.still").get_attribute("src")
        frame.locator(".word", has_text="purple").click()
        assert frame.locator("#slot").inner_text() == "slot 1 of 8"
        assert frame.locator("img.still").get_attribute("src") != first
        assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["two/report.html", "index.html"])
def test_axe_finds_no_fault(browser, reported, scheme, place):
    from axe_playwright_python.sync_playwright import Axe

    write_index(find_runs(reported), reported / "index.html")
    with opened(browser, (reported / place).as_uri(), color_scheme=scheme) as page:
        for width in (1280, 420):
            page.set_viewport_size({"width": width, "height": 900})
            result = Axe().run(page).response["violations"]
            serious = [each for each in result if each["impact"] in ("serious", "critical")]
            assert not serious, [(e["id"], e["nodes"][0]["html"]) for e in serious]
    assert ANSWER in (Path(reported) / "one" / "explanation.json").read_text()
