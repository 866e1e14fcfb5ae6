"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL."""

from __future__ import annotations

from functools import partial
from typing import Any

from tiny_models import BUILDERS, make_tokenizer

from zoo.common import Case


def _build(model_type: str) -> tuple[Any, Any]:
    return BUILDERS[model_type](make_tokenizer())


CASES = {model_type: Case(partial(_build, model_type)) for model_type in BUILDERS}
