import pytest

from tam_video.evaluation.sets.truths import names_category


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("dog", "dog"),
        ("Dogs", "dog"),
        ("boxes", "box"),
        ("men", "man"),
        ("people", "person"),
        ("persons", "person"),
        ("puppies", "puppy"),
        ("glasses", "wine glass"),
        ("kite", "paraglide-kite"),
        ("bikes", "mountain_bike"),
        ("buses", "bus"),
        ("bus", "bus"),
        ("wolves", "wolf"),
    ],
)
def test_word_names_a_category_in_singular_and_plural(word, category):
    assert names_category(word, category)


@pytest.mark.parametrize(
    ("word", "category"),
    [("dog", "cat"), ("do", "dog"), ("is", "i"), ("glass", "glas"), ("", "dog"), ("dog", "")],
)
def test_other_words_name_nothing(word, category):
    assert not names_category(word, category)
