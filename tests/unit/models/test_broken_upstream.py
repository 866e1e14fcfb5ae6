"""Families that transformers itself breaks, on the installed release.

When one of the failures is gone, its test fails: the release works, write the family's adapter.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from zoo.common import chat_template, make_tokenizer, text_config

from tam_video.errors import UnsupportedModelError
from tam_video.models.base import Checkpoint, Family
from tam_video.models.boundary import quiet
from tam_video.models.broken_upstream import KIMI_K25, NEMOTRON_H_OMNI
from tam_video.models.loading import find_family
from tam_video.models.prompt import encode_prompt, video_metadata
from tam_video.testing import make_batch, make_image
from tam_video.types import FrameBatch, Message

CHATML = ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize("family", [KIMI_K25, NEMOTRON_H_OMNI], ids=lambda each: each.model_type)
def test_loading_says_what_fails_and_in_which_release(family: Family) -> None:
    with pytest.raises(UnsupportedModelError, match=r"transformers 5\.23 fails on videos") as info:
        find_family({"model_type": family.model_type}, name="some/checkpoint")
    assert "newer release" in info.value.hint
    with pytest.raises(UnsupportedModelError, match=r"some/checkpoint: transformers 5\.23"):
        family.place(None, Checkpoint("some/checkpoint", None, None, None))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kimi() -> Checkpoint:
    from transformers import (
        Kimi_K25Config,
        Kimi_K25ForConditionalGeneration,
        Kimi_K25ImageProcessor,
        Kimi_K25Processor,
        Kimi_K25VideoProcessor,
    )

    image, video = "<|media_pad|>", "<|kimi_k25_video_placeholder|>"
    media = ("<|media_begin|>", "<|media_content|>", "<|media_end|>")
    tokenizer = make_tokenizer([*CHATML, *media, image, video], eos="<|im_end|>")
    processor = Kimi_K25Processor(
        Kimi_K25ImageProcessor(),
        tokenizer,
        Kimi_K25VideoProcessor(),
        chat_template=chat_template(video=video, image=image),
    )
    latent = dict.fromkeys(
        ("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "v_head_dim", "qk_nope_head_dim"), 8
    )
    experts = {
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    }
    config = Kimi_K25Config(
        text_config=text_config(
            tokenizer, model_type="deepseek_v3", num_key_value_heads=4, **latent, **experts
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "pos_emb_height": 8,
            "pos_emb_width": 8,
        },
        projection_hidden_size=32,
        image_token_id=tokenizer.convert_tokens_to_ids(image),
        video_token_id=tokenizer.convert_tokens_to_ids(video),
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = Kimi_K25ForConditionalGeneration(config).eval()
    return Checkpoint("kimi", None, model, processor)


def _forward(checkpoint: Checkpoint, batch: FrameBatch, family: Family) -> Any:
    turns = (Message("user", "what moves?", (0,)),)
    with quiet(), torch.no_grad():
        tensors, _prompt = encode_prompt([batch], turns, checkpoint=checkpoint, family=family)
        return checkpoint.model(**tensors, use_cache=False)


@pytest.mark.parametrize(
    ("num_frames", "message"),
    [
        (2, "split_sizes to sum exactly to 6"),
        (4, "split_sizes to sum exactly to 6"),
        (7, "Sizes of tensors must match"),
        (8, "split_sizes to sum exactly to 12"),
    ],
)
def test_kimi_fails_on_a_chunk_of_more_than_one_frame(
    kimi: Checkpoint, num_frames: int, message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        _forward(kimi, make_batch(num_frames, 56, 84), KIMI_K25)


def test_kimi_works_on_what_is_not_averaged(kimi: Checkpoint) -> None:
    """So that the failure above is the one that `problem` names."""
    assert torch.isfinite(_forward(kimi, make_image(56, 84), KIMI_K25).logits).all()
    assert torch.isfinite(_forward(kimi, make_batch(1, 56, 84), KIMI_K25).logits).all()


@pytest.fixture(scope="module")
def nemotron() -> Checkpoint:
    from transformers import ParakeetFeatureExtractor
    from transformers.models.nemotron_h_omni.configuration_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3_Config as Config,
    )
    from transformers.models.nemotron_h_omni.image_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3ImageProcessor as ImageProcessor,
    )
    from transformers.models.nemotron_h_omni.modeling_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3 as Model,
    )
    from transformers.models.nemotron_h_omni.processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3Processor as Processor,
    )
    from transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3VideoProcessor as VideoProcessor,
    )

    named = {
        "image_token": "<image>",
        "video_token": "<video>",
        "audio_token": "<so_embedding>",
        "image_start_token": "<img>",
        "image_end_token": "</img>",
    }
    tokenizer = make_tokenizer([*CHATML, "<so_start>", "<so_end>"], named=named, eos="<|im_end|>")
    colours = {"norm_mean": [0.48, 0.46, 0.41], "norm_std": [0.27, 0.26, 0.28]}
    processor = Processor(
        ImageProcessor(**colours),
        VideoProcessor(video_target_num_patches=24, **colours),
        tokenizer,
        ParakeetFeatureExtractor(),
        chat_template=chat_template(video="<video>", image="<image>"),
    )
    text = text_config(tokenizer, model_type="nemotron_h", head_dim=8)
    del text["num_hidden_layers"]
    config = Config(
        text_config={**text, "layers_block_type": ["full_attention", "mlp"]},
        vision_config={
            "model_type": "radio",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 128,
            "max_img_size": 256,
            "video_temporal_patch_size": 2,
            "num_cls_tokens": 1,
            "num_registers": 1,
            "summary_idxs": [0],
        },
        audio_config=None,
        vision_hidden_size=32,
        projector_hidden_size=32,
        **{
            f"{kind}_token_id": tokenizer.convert_tokens_to_ids(named[f"{kind}_token"])
            for kind in ("image", "video", "audio")
        },
    )
    config.audio_config = None
    torch.manual_seed(0)
    return Checkpoint("nemotron", None, Model(config).eval(), processor)


@pytest.mark.parametrize("num_frames", [1, 2, 7])
def test_nemotron_fails_to_join_its_video_features(nemotron: Checkpoint, num_frames: int) -> None:
    batch = make_batch(num_frames, 96, 144)
    with quiet(), torch.no_grad():
        inputs = nemotron.processor(
            text="<video>what moves?",
            videos=[batch.frames],
            return_tensors="pt",
            # one bare description, not a list of them: it is read as it is
            videos_kwargs={"do_sample_frames": False, "video_metadata": video_metadata(batch)},
        )
        with pytest.raises(TypeError, match=r"cat\(\)"):
            nemotron.model(**inputs, use_cache=False)


def test_nemotron_encodes_a_video_all_right(nemotron: Checkpoint) -> None:
    """So that the failure above is the one that `problem` names: only the joining is missing."""
    batch = make_batch(7, 96, 144)
    with quiet(), torch.no_grad():
        pixels = nemotron.processor.video_processor(
            [batch.frames], return_tensors="pt", do_sample_frames=False
        )["pixel_values_videos"]
        features = nemotron.model.get_video_features(pixels, return_dict=True).pooler_output
    assert isinstance(features, torch.Tensor)
    assert features.shape == (4, 6, 32)
