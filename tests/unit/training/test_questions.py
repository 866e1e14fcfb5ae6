import numpy as np

from tam_video.datasets.questions import caption
from tam_video.datasets.worlds import make_clip
from training.questions import KINDS, caption_facts, make_questions


def ask(seed, **options):
    clip = make_clip(seed, **options)
    return clip, make_questions(clip, np.random.default_rng(seed))


def test_every_kind_of_question_occurs():
    assert {q.kind for seed in range(20) for q in ask(seed)[1]} == set(KINDS)


def test_questions_follow_from_the_seed():
    assert ask(5)[1] == ask(5)[1]


def test_negative_questions_name_what_is_not_there():
    for seed in range(100):
        clip, questions = ask(seed)
        there = {f"{o.color} {o.shape}" for o in clip.objects}
        for question in questions:
            if question.kind == "presence":
                name = " ".join(question.text.rstrip("?").split()[-2:])
                assert (name in there) is not question.is_negative
                assert question.answer.startswith("No" if question.is_negative else "Yes")


def test_color_questions_name_unique_shapes_only():
    for seed in range(100):
        clip, questions = ask(seed, num_objects=3)
        for question in questions:
            if question.kind == "color":
                shape = question.text.rstrip("?").split()[-1]
                assert [o.shape for o in clip.objects].count(shape) == 1


def test_caption_facts_ignore_order_only():
    clip = make_clip(2, num_objects=3)
    text = caption(clip)
    facts = caption_facts(text)
    assert len(facts) == 3
    first, rest = text.rstrip(".").split(", ", 1)
    second, third = rest.split(" and ", 1)
    swapped = f"{third}, {first} and {second}."
    assert caption_facts(swapped) == facts
    assert caption_facts(text.replace("moves", "stays")) != facts or "moves" not in text


def test_an_article_fits_its_noun():
    texts = " ".join(q.answer for seed in range(60) for q in ask(seed)[1])
    assert " a orange" not in texts
    assert "an orange" in texts
