"""The page of the alerts: untrusted text stays text."""

import json

from lxml import html

from tam_video.pipelines.surveillance.page import write_page

EVIL = '<script>alert(1)</script><img src=x onerror="x">'


def alert(number, **given):
    return {
        "id": f"a{number}",
        "camera": "yard",
        "time": None,
        "seconds": 3661.25,
        "source": "abc",
        "question": {"name": "fire", "text": "Fire?"},
        "answer": "Yes.",
        "run": f"runs/r {number}",
        "words": [{"word": "fire", "spans_seconds": [[1.0, 2.0], [3.0, 4.5]]}],
        **given,
    }


def page(folder, alerts):
    (folder / "alerts.jsonl").write_text("".join(json.dumps(a) + "\n" for a in alerts))
    return html.document_fromstring(write_page(folder).read_bytes())


def test_a_page_without_alerts(tmp_path):
    assert "No alerts." in html.document_fromstring(write_page(tmp_path).read_text()).text_content()


def test_the_newest_alert_comes_first_with_its_existing_files(tmp_path):
    run = tmp_path / "runs" / "r 2"
    run.mkdir(parents=True)
    for name in ("annotated.mp4", "event.mp4", "thumb.jpg", "report.html"):
        (run / name).write_bytes(b"x")
    html = page(tmp_path, [alert(1), alert(2, time="2026-03-01T12:00:00+00:00", rule="always")])
    first, second = html.xpath("//li")
    assert first.xpath(".//video/@src") == ["runs/r%202/annotated.mp4"]
    assert first.xpath(".//a/@href") == ["runs/r%202/report.html", "runs/r%202/event.mp4"]
    assert "2026-03-01 12:00:00" in first.text_content()
    assert "fire 1.0-4.5 s" in first.text_content()
    assert "1:01:01.2" in second.text_content()
    assert "The clip was removed." in second.text_content()


def test_text_is_escaped(tmp_path):
    evil = alert(1, camera=EVIL, answer=EVIL, file=EVIL, question={"name": "q", "text": EVIL})
    evil["words"] = [{"word": EVIL, "spans_seconds": [[0, 1]]}]
    html = page(tmp_path, [{**evil, "run": 'runs/"><script>'}])
    assert html.xpath("//script|//img|//*[@onerror]") == []
    assert html.xpath("//li//p[@class='answer']")[0].text_content() == EVIL


def test_only_the_last_alerts_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("tam_video.pipelines.surveillance.page.SHOWN_ALERTS", 2)
    html = page(tmp_path, [alert(number) for number in range(5)])
    assert len(html.xpath("//li")) == 2
    assert "5 alerts, the last 2 are shown" in html.text_content()
