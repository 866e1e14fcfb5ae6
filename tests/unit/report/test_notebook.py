from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constructed import with_input
from report_runs import SAMPLE, make_explanation

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.report.media import NO_MEDIA
from tam_video.report.page import report_page
from tam_video.types import View


def lost(explanation):
    return with_input(explanation, info=replace(explanation.info, path=Path("/nowhere/gone.mp4")))


def inner(shown):
    return html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1])


def test_an_explanation_is_shown_in_a_sandboxed_frame():
    shown = make_explanation(answer='A <b>ring</b> & "more"')._repr_html_()
    assert shown.count("<iframe") == 1
    assert 'sandbox="allow-scripts"' in shown
    assert "allow-same-origin" not in shown
    page = inner(shown)
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert "<b>ring" not in page
    assert len(shown) < 1e6
    assert "default-src 'none'" in html.unescape(page)


def test_a_lone_surrogate_is_replaced():
    page = report_page(make_explanation(answer="half \ud800 of it"), [NO_MEDIA])
    assert "half ? of it" in html.unescape(re.sub("<[^>]*>", "", page.encoded().decode()))


def test_without_the_source_only_heat_is_shown():
    page = inner(lost(make_explanation())._repr_html_())
    assert "No picture of gone.mp4" in page


def test_a_figure_has_words_by_slots():
    explanation = make_explanation(slots=8)
    figure = explanation.plot(words=["cyan", "ring", 3], num_slots=4)
    axes = np.array(figure.axes).reshape(3, 4)
    assert [axis.get_ylabel() for axis in axes[:, 0]] == ["cyan", "ring", "moves"]
    seconds = explanation.layout.slot_seconds(explanation.pts_seconds)[[0, 2, 5, 7]]
    assert [axis.get_title() for axis in axes[0]] == [f"{each:.2f} s" for each in seconds]
    assert not np.array_equal(picture(axes[0, 0]), picture(axes[1, 0]))


def picture(axis):
    return np.asarray(axis.images[0].get_array())


def test_a_figure_shows_heat_where_the_map_has_it():
    explanation = make_explanation(view=View(0.25, 0.0, 0.75, 1.0))
    figure = explanation.plot(words=["cyan"], num_slots=8, opacity=1.0)
    explained, gray = (
        np.asarray(each, int)
        for each in (picture(figure.axes[1]), picture(lost(explanation).plot(words=[1]).axes[0]))
    )
    assert explained.shape == gray.shape == (224, 224, 3)
    y, x = int(224 * 2.5 / 6), int(224 * (0.25 + 0.5 * 3.5 / 9))
    assert np.ptp(explained[y, x]) > 100
    assert np.ptp(gray[5, 5]) < 10


def test_dollar_signs_in_a_figure_are_literal(tmp_path):
    figure = make_explanation(answer=r"$x^2$ costs 5 $ and _more_").plot()
    figure.savefig(tmp_path / "maps.svg")
    figure.savefig(tmp_path / "maps.pdf")
    assert (tmp_path / "maps.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (tmp_path / "maps.svg").read_text()


def test_invalid_arguments_are_refused():
    explanation = make_explanation()
    for words in (["elephant"], [99], []):
        with pytest.raises(ConfigError):
            explanation.plot(words=words)
    with pytest.raises(ConfigError):
        explanation.plot(num_slots=0)
    with pytest.raises(ConfigError):
        make_explanation(answer="").plot()
    with pytest.raises(UnknownNameError):
        explanation.plot(colormap="mud")
    assert SAMPLE.is_file()
