from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from constructed import with_input
from hypothesis import given
from hypothesis import strategies as st
from report_runs import ANSWER, make_explanation

from tam_video.render.overlay import color_table
from tam_video.report.content import (
    answer_parts,
    encode_bytes,
    last_name,
    place_name,
    report_data,
    run_facts,
    word_relevance,
)
from tam_video.report.media import NO_MEDIA, Media
from tam_video.types import Word


@pytest.fixture(scope="module")
def explanation():
    return make_explanation()


def decoded(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_maps_and_relevance_come_back_in_255ths(explanation):
    data = report_data(explanation, [NO_MEDIA])
    shape = explanation.word_maps.shape
    maps = decoded(data["inputs"][0]["maps"]).reshape(shape) / 255
    assert np.abs(maps - explanation.word_maps).max() <= 0.5 / 255 + 1e-6
    relevance = decoded(data["relevance"]).reshape(len(explanation.words), -1) / 255
    assert np.abs(relevance - word_relevance(explanation)).max() <= 0.5 / 255 + 1e-6


def test_relevance_is_the_mean_over_a_words_tokens(explanation):
    joined = replace(explanation.words[0], token_indices=(4, 5))
    joined_words = replace(explanation, words=(joined, *explanation.words[1:]))
    slow = [
        [
            sum(explanation.text_scores[m, k] for m in word.token_indices) / len(word.token_indices)
            for k in range(len(explanation.tokens))
        ]
        for word in joined_words.words
    ]
    np.testing.assert_allclose(word_relevance(joined_words), slow, rtol=1e-6)


def test_colour_tables_are_those_of_the_annotated_video(explanation):
    tables = report_data(explanation, [NO_MEDIA])["colormaps"]
    assert list(tables) == ["turbo", "cividis", "inferno", "jet"]
    for name, text in tables.items():
        assert (decoded(text).reshape(256, 3) == color_table(name)).all()


def test_tracks_have_peak_span_and_energy(explanation):
    row = report_data(explanation, [NO_MEDIA])["inputs"][0]
    for number, track in enumerate(row["tracks"]):
        slot, y, x = np.unravel_index(
            explanation.word_maps[number].argmax(), explanation.layout.shape
        )
        assert track["peak"]["slot"] == slot
        assert track["peak"]["seconds"] == pytest.approx(row["slots"][slot], abs=1e-3)
        assert track["peak"]["x"] == pytest.approx((x + 0.5) / 9, abs=1e-3)
        assert track["peak"]["y"] == pytest.approx((y + 0.5) / 6, abs=1e-3)
        assert track["span"][0] <= track["peak"]["seconds"] <= track["span"][1]
        means = explanation.word_maps[number].mean(axis=(1, 2))
        np.testing.assert_allclose(track["energy"], means, atol=1e-4)


def test_times_count_from_the_first_frame(explanation):
    late = with_input(
        explanation,
        info=replace(explanation.info, start_seconds=5.0),
        pts_seconds=explanation.pts_seconds + 5,
    )
    before = report_data(explanation, [Media("video", ("clip.mp4",), 0.0)])["inputs"][0]
    after = report_data(late, [Media("video", ("clip.mp4",), 5.0)])["inputs"][0]
    for name in ("slots", "edges", "offset"):
        assert after[name] == pytest.approx(before[name])


def test_flat_and_broken_maps_have_no_peak(explanation):
    flat = np.full_like(explanation.word_maps, 0.25)
    row = report_data(with_input(explanation, word_maps=flat), [NO_MEDIA])["inputs"][0]
    assert all(track["peak"] is None and track["span"] is None for track in row["tracks"])
    json.dumps(row, allow_nan=False)


def test_an_empty_answer_has_no_words_and_tracks():
    empty = make_explanation(answer="")
    data = report_data(empty, [NO_MEDIA])
    assert data["words"] == []
    assert data["inputs"][0]["edges"]
    assert answer_parts("", ()) == []


def test_visual_reliance_is_included_where_it_is_known(explanation):
    assert all(w["reliance"] is None for w in report_data(explanation, [NO_MEDIA])["words"])
    known = np.full(len(explanation.words), 0.5, np.float32)
    known[:3] = 0.25, np.nan, 0.125
    measured = replace(explanation, visual_reliance=known)
    words = report_data(measured, [NO_MEDIA])["words"]
    assert [word["reliance"] for word in words[:4]] == [0.25, None, 0.125, 0.5]
    assert [word["text"] for word in words if word["isSuspect"]] == ["ring"]  # "A" has no say


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), max_size=20))
def test_bytes_are_clipped_and_nan_is_zero(values):
    got = decoded(encode_bytes(np.array(values, np.float32)))
    slow = [0 if np.isnan(v) else round(min(1.0, max(0.0, v)) * 255) for v in values]
    assert all(abs(int(a) - b) <= 1 for a, b in zip(got, slow, strict=True))


@given(st.text(max_size=40), st.data())
def test_parts_of_an_answer_are_complete(answer, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=6, unique=True)))
    spans = [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False) if a < b]
    words = [Word(k, answer[a:b], a, b, (k,), True) for k, (a, b) in enumerate(spans)]
    parts = answer_parts(answer, words)
    assert "".join(text for text, _ in parts) == answer
    assert [word for _, word in parts if word is not None] == words


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        (0.1, 0.1, "upper left"),
        (0.5, 0.5, "centre"),
        (0.9, 0.5, "right"),
        (0.5, 1.0, "lower"),
        (1.0, 0.0, "upper right"),
    ],
)
def test_positions_have_names(x, y, name):
    assert place_name(x, y) == name


def test_no_folder_of_the_machine_is_included(explanation):
    text = json.dumps([run_facts(explanation), report_data(explanation, [NO_MEDIA])])
    assert "someone" not in text
    assert str(explanation.info.path.parent) not in text
    assert ANSWER in text
    assert last_name("Qwen/Qwen2.5-VL-3B-Instruct") == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert last_name(r"C:\models\mine") == "mine"
