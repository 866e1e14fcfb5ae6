"""The public rules of the TAM evaluation, against a reference written from their description."""

from __future__ import annotations

import cv2
import nltk
import numpy as np
import pytest
from lookalikes import nltk_data, write_labels

from tam_video.errors import DatasetError, MissingDependencyError
from tam_video.evaluation.sets.tagging import WordTagger, load_tagger
from tam_video.evaluation.sets.tam_images import (
    NOT_LISTED,
    published_scores,
    quantised,
    word_label,
)
from tam_video.types import Word

TAGGER = WordTagger(lambda word: "NN", lambda word: word.removesuffix("s"))
CATEGORIES = (("dog", 1), ("hot dog", 2), ("teddy bear", 3))


def a_word(index, tokens):
    return Word(index, f"w{index}", 10 * index, 10 * index + 2, tuple(tokens), is_content=True)


def reference(maps, labels, nouns, functions):
    """Otsu of OpenCV on resized uint8 maps; best sub-token; mean of the largest thresholds."""
    whole = (maps[:, 0] * 255).astype(np.uint8)
    objects, tops, before = [], [], None
    for word, label in nouns:
        truth = labels == label if label > 0 else np.zeros_like(labels, bool)
        ious, thresholds = [], []
        for token in word.token_indices:
            shown = cv2.resize(whole[token], (labels.shape[1], labels.shape[0]))
            threshold, hot = cv2.threshold(shown, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
            thresholds.append(threshold)
            ious.append(((hot > 0) & truth).sum() / ((hot > 0) | truth).sum())
        tops.append(max(thresholds))
        if not truth.any():
            continue
        if before is not None and before == (word.index - 1, label):
            objects[-1] = max(objects[-1], max(ious))
        else:
            objects.append(max(ious))
        before = (word.index, label)
    cut = sum(tops) / len(tops)
    others = [
        np.mean([(whole[token] < cut).mean() for token in word.token_indices]) for word in functions
    ]
    return objects, others


@pytest.mark.parametrize("seed", range(6))
def test_scores_equal_the_public_rules(seed):
    rng = np.random.default_rng(seed)
    maps = rng.random((8, 1, 7, 9), dtype=np.float32) ** 3
    labels = rng.integers(0, 4, (30, 44)).astype(np.uint8)
    nouns = [(a_word(0, [0, 1]), 1), (a_word(1, [2]), 1), (a_word(3, [3, 4]), NOT_LISTED)]
    nouns += [(a_word(4, [5]), 2), (a_word(5, [6]), 9)]
    functions = [a_word(2, [7]), a_word(6, [1, 7])]
    result = published_scores(maps, labels, nouns=nouns, functions=functions)
    expected = reference(maps, labels, nouns, functions)
    np.testing.assert_allclose(result[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(result[1], expected[1], atol=1e-12)


def test_answer_without_nouns_has_no_threshold():
    maps = np.zeros((1, 1, 2, 2), np.float32)
    labels = np.zeros((4, 4), np.uint8)
    assert published_scores(maps, labels, nouns=[], functions=[a_word(0, [0])]) == ([], [])


def test_last_category_that_shares_a_word_counts():
    assert word_label("dogs", CATEGORIES, TAGGER) == 2
    assert word_label("bear", CATEGORIES, TAGGER) == 3
    assert word_label("cat", CATEGORIES, TAGGER) == NOT_LISTED


def test_maps_are_cut_off_to_whole_numbers():
    maps = np.array([0.0, 0.999 / 255, 1 / 255, 0.5, 1.0, 1.2, -1.0], np.float32)
    assert quantised(maps).tolist() == [0, 0, 1, 127, 255, 255, 0]


def test_nltk_tells_kinds_and_dictionary_forms(tmp_path, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(nltk_data(tmp_path))])
    load_tagger.cache_clear()
    try:
        tagger = load_tagger()
        assert [tagger.kind(word) for word in ("star", "an", "runs")] == [
            "noun",
            "function",
            "other",
        ]
        assert tagger.is_same("Stars", "star")
        assert tagger.is_same("T-shirt", "tshirt")
        assert not tagger.is_same("star", "ring")
    finally:
        load_tagger.cache_clear()


def test_missing_data_of_nltk_name_the_command_that_gets_them(tmp_path, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    load_tagger.cache_clear()
    with pytest.raises(MissingDependencyError) as caught:
        load_tagger()
    assert "averaged_perceptron_tagger_eng wordnet" in caught.value.hint


def test_indexed_labels_keep_their_numbers(tmp_path):
    from tam_video.evaluation.sets.masks import read_labels

    labels = np.array([[0, 90], [13, 255]], np.uint8)
    path = write_labels(tmp_path / "0.png", labels, indexed=False)
    np.testing.assert_array_equal(read_labels(path), labels)
    with pytest.raises(DatasetError):
        read_labels(tmp_path)
