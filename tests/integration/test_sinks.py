"""Sinks of a model: states of a few visual tokens get a component of high norm."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back
from tam_video.export.document import load_explanation, to_document
from tam_video.models import load_model
from tam_video.models.base import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.report.content import reading_line
from tam_video.tam.activation import activate
from tam_video.tam.options import ActivationOptions
from tam_video.types import Message

SINKS = [3, 200, 900]
TURNS = [Message("user", CAPTION_QUESTION)]
ANSWER = "A red star moves left."


@pytest.fixture(scope="module")
def tiny() -> TransformersModel:
    return load_model("tiny")


@contextmanager
def sinks_in(model: TransformersModel, cells: list[int]) -> Iterator[None]:
    """Give the states of some cells 50 times their norm in one direction, after the second layer.

    The direction is that of the words of `ANSWER`, so that sinks have high scores for them.
    `cells` are counted from the first visual token; the prompt of `tiny` has one block of them.
    """
    network = model.checkpoint.model
    video = network.config.video_token_id
    ids = model.checkpoint.processor.tokenizer(ANSWER)["input_ids"]
    words = network.get_output_embeddings().weight[ids].detach().mean(dim=0)
    direction = words / words.norm()
    positions: list[int] = []

    def find(_module: object, _args: object, kwargs: dict) -> None:
        ids = kwargs["input_ids"][0]
        if len(ids) > 1:
            positions[:] = (ids == video).nonzero()[:, 0][cells].tolist()

    def keep(_module: object, _args: object, output: object) -> object:
        states = output[0] if isinstance(output, tuple) else output
        if states.shape[1] > 1:
            states = states.clone()
            states[0, positions] += 50 * states[0].norm(dim=-1).median() * direction
        return (states, *output[1:]) if isinstance(output, tuple) else states

    handles = [
        network.register_forward_pre_hook(find, with_kwargs=True),
        network.get_decoder().layers[1].register_forward_hook(keep),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def test_sinks_are_found_while_the_model_answers_and_while_it_scores_layers(
    tiny: TransformersModel,
) -> None:
    batch = read_back(make_world("base", 3, split="dev"), tiny)
    options = GenerationOptions(layer=-1, mixed_layers=(0, 3))
    assert not tiny.generate(batch, TURNS, options=options, answer=ANSWER).sinks.any()
    with sinks_in(tiny, SINKS):
        forced = tiny.generate(batch, TURNS, options=options, answer=ANSWER)
        generated = tiny.generate(batch, TURNS, options=options)
        scored = tiny.score_layers(batch, TURNS, ANSWER)
    for each in (forced, generated, scored):
        assert np.flatnonzero(each.sinks).tolist() == SINKS


def test_masking_keeps_sinks_from_setting_the_scale_of_maps(tiny: TransformersModel) -> None:
    batch = read_back(make_world("base", 3, split="dev"), tiny)
    plain = tiny.score_layers(batch, TURNS, ANSWER)
    with sinks_in(tiny, SINKS):
        disturbed = tiny.score_layers(batch, TURNS, ANSWER)
    off = ActivationOptions(correction="none", rank_filter=False)
    on = ActivationOptions(correction="none", rank_filter=False, mask_sinks=True)
    [expected], [same] = activate(plain, options=off), activate(plain, options=on)
    np.testing.assert_array_equal(same.maps, expected.maps)
    [kept], [masked] = activate(disturbed, options=off), activate(disturbed, options=on)
    assert masked.num_masked == len(SINKS)
    words = slice(plain.num_prompt_tokens, None)
    errors = [np.abs(each.maps - expected.maps)[words].mean() for each in (kept, masked)]
    assert errors[1] < 0.5 * errors[0]


def test_the_number_of_masked_cells_is_in_the_document_and_the_report(tmp_path: Path) -> None:
    import tam_video

    explanation = tam_video.explain("samples/shapes.mp4", "Describe the video.", num_frames=4)
    assert "masked_cells" not in json.dumps(to_document(explanation))
    assert "sinks" not in reading_line(explanation)

    object.__setattr__(explanation.inputs[0], "num_masked", 2)
    read = load_explanation(explanation.save(tmp_path / "run"))
    assert read.inputs[0].num_masked == 2
    assert to_document(read)["inputs"][0]["masked_cells"] == 2
    total = read.layout.num_cells
    assert reading_line(read).endswith(f"outlying norm): 2 visual tokens of {total}.")
