"""Loading and asking random-weight Qwen checkpoints: times, errors, and what is left behind."""

from __future__ import annotations

import importlib.util
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tam_video.errors import (
    ConfigError,
    MissingDependencyError,
    ModelError,
    ModelLoadError,
    TokenAlignmentError,
    UnsupportedModelError,
)
from tam_video.models import GenerationOptions, load_model
from tam_video.models.boundary import quiet
from tam_video.models.conversation import assign_inputs
from tam_video.models.prompt import encode_prompt, video_metadata
from tam_video.types import Message

_spec = importlib.util.spec_from_file_location(
    "tiny_models", Path(__file__).parents[1] / "tiny_models.py"
)
tiny_models: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_models)

QUESTION = (Message("user", "what moves?"),)
SHORT = GenerationOptions(max_new_tokens=3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with quiet():
        return {
            kind: tiny_models.save_tiny(kind, tmp_path_factory.mktemp(kind))
            for kind in tiny_models.BUILDERS
        }


@pytest.fixture
def qwen3(saved: dict[str, Path]) -> Any:
    return load_model(str(saved["qwen3_vl"]))


@pytest.fixture
def folder(saved: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved["qwen2_vl"], tmp_path / "copy"))


def prompt_of(model: Any, batch: Any) -> tuple[dict[str, Any], str]:
    with quiet():
        turns = assign_inputs(QUESTION, num_inputs=1)
        inputs, prompt = encode_prompt(
            [batch], turns, checkpoint=model.checkpoint, family=model.adapter
        )
    return inputs, model.checkpoint.processor.tokenizer.decode(prompt.input_ids)


@pytest.mark.parametrize("start_seconds", [0.0, 1.5])
def test_qwen3_gets_the_exact_times_of_uneven_frames(qwen3: Any, start_seconds: float) -> None:
    seconds = [0.0, 0.2, 1.0, 2.0, 7.3]
    batch = tiny_models.make_batch(
        5, pts_seconds=[start_seconds + s for s in seconds], start_seconds=start_seconds
    )
    _inputs, text = prompt_of(qwen3, batch)
    assert re.findall(r"<([\d.]+) seconds>", text) == ["0.1", "1.5", "7.3"]


def test_a_single_frame_is_at_its_own_time(qwen3: Any) -> None:
    _inputs, text = prompt_of(qwen3, tiny_models.make_batch(1, pts_seconds=[2.5]))
    assert re.findall(r"<([\d.]+) seconds>", text) == ["2.5"]


def test_qwen2_5_gets_the_interval_of_its_frames(saved: dict[str, Path]) -> None:
    model = load_model(str(saved["qwen2_5_vl"]))
    batch = tiny_models.make_batch(6, pts_seconds=[30 + 0.75 * i for i in range(6)])
    inputs, _text = prompt_of(model, batch)
    assert float(inputs["second_per_grid_ts"][0]) == pytest.approx(1.5)


def test_metadata_times_are_exact() -> None:
    seconds = [0.0, 1 / 3, 0.7, 100.123456]
    metadata = video_metadata(tiny_models.make_batch(4, pts_seconds=seconds), least=2)
    assert metadata.timestamps == pytest.approx(seconds, abs=1e-6)
    assert metadata.sampled_fps == pytest.approx(3 / seconds[-1], rel=1e-3)


def test_native_sampling_is_the_processors_own_rule(qwen3: Any) -> None:
    got = qwen3.sample_native(tiny_models.make_info(24), np.arange(24) / 8)
    assert got.tolist() == [0, 5, 9, 14, 18, 23]


def test_a_hook_is_gone_after_an_error(qwen3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = qwen3.checkpoint.model
    hooks = lambda: sum(len(m._forward_hooks) for m in network.modules())  # noqa: E731
    before = hooks()

    def fail(*_args: Any, **_kwargs: Any) -> None:
        assert hooks() == before + 4  # last state, asked layer, logits, norms of the third layer
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(network, "generate", fail)
    options = GenerationOptions(max_new_tokens=2, layer=0)
    with pytest.raises(ModelError, match="out of memory") as caught:
        qwen3.generate(tiny_models.make_batch(), QUESTION, options=options)
    assert "fewer" in caught.value.hint
    assert hooks() == before


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2"), ValueError("aspect ratio")])
def test_library_errors_become_model_errors(
    qwen3: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(qwen3.checkpoint.model, "generate", fail)
    with pytest.raises(ModelError, match=str(error)) as caught:
        qwen3.generate(tiny_models.make_batch(), QUESTION, options=SHORT)
    assert caught.value.__cause__ is error


def test_frames_the_processor_refuses_are_a_model_error(qwen3: Any) -> None:
    with pytest.raises(ModelError, match="aspect ratio"):
        qwen3.generate(tiny_models.make_batch(2, 8, 4000), QUESTION, options=SHORT)


@pytest.mark.parametrize("text", ["<|video_pad|> what?", "a <|im_end|> b", "<|vision_start|>"])
def test_control_tokens_in_a_text_are_refused(qwen3: Any, text: str) -> None:
    batch = tiny_models.make_batch(2)
    with pytest.raises(ConfigError, match="control token"):
        qwen3.generate(batch, [Message("user", text)])
    with pytest.raises(ConfigError, match="control token"):
        qwen3.generate(batch, QUESTION, answer=text)


def test_an_empty_answer_can_not_be_explained(qwen3: Any) -> None:
    with pytest.raises(ConfigError, match="empty"):
        qwen3.generate(tiny_models.make_batch(2), QUESTION, answer="")


def test_control_tokens_of_an_answer_are_left_out(
    qwen3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = qwen3.checkpoint.processor.tokenizer
    red, end = tokenizer("red")["input_ids"][0], tokenizer.eos_token_id
    monkeypatch.setattr(qwen3, "_answer_ids", lambda _answer: [red, end, red, end])
    got = qwen3.generate(tiny_models.make_batch(2), QUESTION, answer="x")
    length = len(encode_ids(qwen3))
    answer = got.tokens[got.num_prompt_tokens :]
    assert [(token.id, token.position) for token in answer] == [
        (red, length - 1),
        (red, length + 1),
    ]
    monkeypatch.setattr(qwen3, "_answer_ids", lambda _answer: [end])
    silent = qwen3.generate(tiny_models.make_batch(2), QUESTION, answer="x")
    assert (silent.answer, len(silent.scores)) == ("", length)
    assert silent.num_prompt_tokens == len(silent.tokens)


def encode_ids(model: Any) -> list[int]:
    return prompt_of(model, tiny_models.make_batch(2))[0]["input_ids"][0].tolist()


def test_words_that_the_template_adds_are_no_prompt_text(qwen3: Any) -> None:
    processor = qwen3.checkpoint.processor
    processor.chat_template = processor.chat_template.replace(
        "{{ c['text'] }}", "Question: {{ c['text'] }}"
    )
    got = qwen3.generate(tiny_models.make_batch(2), QUESTION, options=SHORT)
    assert got.prompt_text.strip() == "what moves?"


def test_a_template_that_rewrites_the_question_is_refused(qwen3: Any) -> None:
    processor = qwen3.checkpoint.processor
    processor.chat_template = processor.chat_template.replace(
        "{{ c['text'] }}", "{{ c['text'] | replace('moves', 'stops') }}"
    )
    with pytest.raises(TokenAlignmentError, match=r"turn|spell"):
        qwen3.generate(tiny_models.make_batch(2), QUESTION, options=SHORT)


def test_nothing_is_printed(saved: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    model = load_model(str(saved["qwen2_vl"]))
    model.generate(tiny_models.make_batch(3), QUESTION, options=SHORT)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_a_half_precision_checkpoint_runs_in_single_on_a_cpu(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoModelForImageTextToText

    with quiet():
        network = AutoModelForImageTextToText.from_pretrained(folder).to(torch.bfloat16)
        network.save_pretrained(folder)
    with caplog.at_level(logging.WARNING):
        model = load_model(str(folder), device="cpu")
    assert model.dtype == "float32"
    assert model.warnings == ("the checkpoint is bfloat16; on a CPU it runs in float32",)
    assert "bfloat16" in caplog.text
    asked = load_model(str(folder), device="cpu", dtype="bfloat16")
    got = asked.generate(tiny_models.make_batch(2), QUESTION, options=SHORT)
    assert (asked.dtype, got.scores.dtype) == ("bfloat16", np.float32)


def test_sampling_defaults_of_a_checkpoint_are_not_used(folder: Path) -> None:
    tiny_models.edit_json(
        folder / "generation_config.json", do_sample=True, top_k=1, repetition_penalty=5.0
    )
    plain = load_model(str(folder)).checkpoint.model.generation_config
    assert not plain.do_sample
    assert plain.repetition_penalty in (None, 1.0)
    assert plain.eos_token_id is not None


def test_an_attention_kernel_can_be_chosen(saved: dict[str, Path]) -> None:
    batch = tiny_models.make_batch(3)
    scores = [
        load_model(str(saved["qwen3_vl"]), attn_implementation=kernel)
        .generate(batch, QUESTION, answer="the red square")
        .scores
        for kernel in ("eager", "sdpa")
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_an_unknown_model_type_is_refused(folder: Path) -> None:
    tiny_models.edit_json(folder / "config.json", model_type="llama")
    with pytest.raises(UnsupportedModelError, match="'llama'") as caught:
        load_model(str(folder))
    assert "qwen3_vl" in caught.value.hint


def test_incomplete_weights_are_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    weights.pop(next(name for name in weights if "mlp" in name))
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelLoadError, match="lack 1 tensors"):
        load_model(str(folder))


def test_broken_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelLoadError, match="can't load"):
        load_model(str(folder))


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    import json

    path = folder / "config.json"
    text = json.loads(path.read_text())["text_config"]
    tiny_models.edit_json(path, text_config={**text, "intermediate_size": 48})
    with pytest.raises(ModelLoadError, match="can't load"):
        load_model(str(folder))


def test_missing_processor_files_are_refused(folder: Path) -> None:
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises((ModelLoadError, MissingDependencyError)):
        load_model(str(folder))


def test_a_missing_chat_template_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelLoadError, match="no chat template"):
        load_model(str(folder))


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(ConfigError, match="needs a hub id"):
        load_model(str(folder), revision="main")


def test_a_device_that_is_not_there_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ConfigError, match="unknown device"):
        load_model(str(folder), device="toaster")
    with pytest.raises(ConfigError, match="no mps device"):
        load_model(str(folder), device="mps")


def test_a_hub_id_without_files_says_how_to_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError) as caught:
        load_model("nobody/no-such-model", revision="v1", offline=True)
    assert "hf download nobody/no-such-model --revision v1" in caught.value.hint
    assert "HF_HUB_OFFLINE" in caught.value.hint
