from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tam_video.errors import ConfigError, ModelLoadError, UnsupportedModelError
from tam_video.models import ALIASES, FAMILIES, load_model
from tam_video.models.boundary import how_to_get
from tam_video.models.loading import check_folder, find_family, locate, pick_dtype


def test_importing_models_loads_no_heavy_library() -> None:
    code = (
        "import sys, tam_video.models\n"
        "print([m for m in ('torch', 'transformers', 'PIL', 'av', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_a_hub_id_and_nonsense_are_distinguished(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path
    assert locate("Qwen/Qwen2.5-VL-3B-Instruct") == "Qwen/Qwen2.5-VL-3B-Instruct"
    for name in ("tinny", "./no/such/folder", "/no/such", "a/b/c", "", "~/none"):
        with pytest.raises(ModelLoadError, match="no model folder"):
            locate(name)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()
    with pytest.raises(ModelLoadError, match="is a file"):
        locate(str(path))


def test_an_alias_without_its_folder_says_reinstall(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(ALIASES, "tiny", tmp_path / "gone")
    with pytest.raises(ModelLoadError, match="packaged model 'tiny' is missing"):
        locate("tiny")


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"has no config\.json"):
        check_folder(tmp_path, name="x")


def test_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{half")
    with pytest.raises(ModelLoadError, match=r"tokenizer\.json is not valid JSON"):
        check_folder(tmp_path, name="x")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelLoadError, match="only pickled weights") as caught:
        check_folder(tmp_path, name="x")
    assert "safetensors" in caught.value.hint


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelLoadError, match=r"has no \*\.safetensors"):
        check_folder(tmp_path, name="x")


@pytest.mark.parametrize("config", [{"model_type": "llama"}, {}, {"model_type": 3}])
def test_an_unknown_model_type_lists_what_is_supported(config: dict[str, object]) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        find_family(config, name="x")
    assert "qwen2_5_vl, qwen2_vl, qwen3_5" in caught.value.hint


@pytest.mark.parametrize("model_type", sorted(FAMILIES.targets))
def test_a_family_answers_to_its_own_model_type(model_type: str) -> None:
    if FAMILIES.load(model_type).status == "broken-upstream":
        with pytest.raises(UnsupportedModelError, match="transformers"):
            find_family({"model_type": model_type}, name="x")
    else:
        assert find_family({"model_type": model_type}, name="x").model_type == model_type


@pytest.mark.parametrize(
    ("config", "dtype", "on_cpu", "expected", "has_note"),
    [
        ({"dtype": "bfloat16"}, "auto", True, "float32", True),
        ({"torch_dtype": "float16"}, "auto", True, "float32", True),
        ({"text_config": {"dtype": "bfloat16"}}, "auto", True, "float32", True),
        ({"dtype": "float32"}, "auto", True, "float32", False),
        ({}, "auto", True, "float32", False),
        ({"dtype": "bfloat16"}, "auto", False, "auto", False),
        ({"dtype": "float32"}, "bfloat16", True, "bfloat16", False),
    ],
)
def test_half_precision_becomes_single_on_a_cpu(
    config: dict[str, object], dtype: str, on_cpu: bool, expected: str, has_note: bool
) -> None:
    chosen, notes = pick_dtype(config, dtype, on_cpu=on_cpu)
    assert (chosen, bool(notes)) == (expected, has_note)


def test_an_unknown_dtype_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="unknown dtype 'int4'"):
        load_model("tiny", dtype="int4")


def test_the_download_hint_is_a_command() -> None:
    hint = how_to_get("Qwen/Qwen2-VL-2B-Instruct", revision="abc")
    assert "hf download Qwen/Qwen2-VL-2B-Instruct --revision abc" in hint
    assert "HF_HUB_OFFLINE" in hint
