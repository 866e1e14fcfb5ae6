"""Which profile belongs to a checkpoint, found from its files alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from stored_profiles import PROFILE

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, RunFolderError, UnknownNameError
from tam_video.models.loading import ALIASES
from tam_video.profiles import identity as identities
from tam_video.profiles.identity import identity_of_settings
from tam_video.profiles.profile import CalibratedProfile, write_profile
from tam_video.profiles.resolve import (
    calibrated_profile,
    calibration_of,
    check_profile,
    planned_profile,
    resolve_profile,
)
from tam_video.profiles.store import profile_name, store_profile


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the embedded checkpoint, whose files a test may change."""
    return shutil.copytree(ALIASES["tiny"], tmp_path / "checkpoint")


@pytest.fixture
def config(checkpoint: Path) -> RunConfig:
    return RunConfig(model=str(checkpoint), device="cpu")


@pytest.fixture
def stored(config: RunConfig) -> CalibratedProfile:
    identity = identity_of_settings(config)
    assert identity is not None
    profile = replace(PROFILE, model=config.model, identity=identity)
    store_profile(profile)
    return profile


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_a_byte(path: Path, offset: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_auto_is_the_profile_of_exactly_this_checkpoint(
    config: RunConfig, stored: CalibratedProfile
) -> None:
    resolved = resolve_profile(config)
    assert calibrated_profile(resolved.config) == stored
    assert resolved.notices == ()
    assert resolve_profile(resolved.config) == resolved
    calibration = calibration_of(stored)
    assert calibration is not None
    assert calibration.profile == profile_name(stored)
    assert calibration.layers == stored.layers


def test_settings_with_a_profile_survive_json(config: RunConfig, stored: CalibratedProfile) -> None:
    resolved = resolve_profile(config).config
    assert RunConfig.model_validate_json(resolved.model_dump_json()) == resolved
    assert calibrated_profile(resolved) == stored


def test_auto_is_default_without_a_profile(config: RunConfig) -> None:
    resolved = resolve_profile(config)
    assert resolved.config.profile == "default"
    assert resolved.notices == ()
    assert calibrated_profile(resolved.config) is None


@pytest.mark.parametrize("name", ["default", "published", "reference"])
def test_a_built_in_profile_wins_over_a_stored_one(
    config: RunConfig, stored: CalibratedProfile, name: str
) -> None:
    assert resolve_profile(config.model_copy(update={"profile": name})).config.profile == name


def test_another_method_has_no_profile(config: RunConfig, stored: CalibratedProfile) -> None:
    other = config.model_copy(update={"method": "random"})
    assert resolve_profile(other).config.profile == "default"


def test_a_profile_is_given_as_a_file_or_by_its_name(
    config: RunConfig, stored: CalibratedProfile, tmp_path: Path
) -> None:
    file = write_profile(stored, tmp_path / "other.json")
    for name in (str(file), profile_name(stored), stored.model):
        named = config.model_copy(update={"profile": name})
        check_profile(named)
        assert calibrated_profile(resolve_profile(named).config) == stored


def test_a_missing_profile_is_refused(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="defualt") as caught:
        resolve_profile(config.model_copy(update={"profile": "defualt"}))
    assert "default" in caught.value.hint
    with pytest.raises(RunFolderError, match="can't read"):
        check_profile(config.model_copy(update={"profile": str(tmp_path / "none.json")}))


def add_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    shutil.copy(folder / "model.safetensors", folder / "adapter_model.safetensors")


CHANGES = {
    "a byte of the weights": (
        lambda folder: change_a_byte(folder / "model.safetensors", 3_000_000),
        "other weights",
    ),
    "an adapter": (add_adapter, "other weights or adapters"),
    "the processor": (
        lambda folder: edit_json(folder / "processor_config.json", size={"longest_edge": 64}),
        "other settings of the processor",
    ),
    "the quantization": (
        lambda folder: edit_json(
            folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4}
        ),
        "quantization none instead of gptq",
    ),
    "the model type": (
        lambda folder: edit_json(folder / "config.json", model_type="qwen2_vl"),
        "model type qwen3_vl instead of qwen2_vl",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_profile_of_a_checkpoint_that_changed_is_not_used(
    config: RunConfig, stored: CalibratedProfile, checkpoint: Path, name: str
) -> None:
    change, reason = CHANGES[name]
    change(checkpoint)
    resolved = resolve_profile(config)
    assert resolved.config.profile == "default"
    [notice] = resolved.notices
    assert notice.startswith(f"the profile {profile_name(stored)} is not used: ")
    assert reason in notice
    with pytest.raises(ConfigError, match=reason):
        check_profile(config.model_copy(update={"profile": profile_name(stored)}))


def test_a_profile_of_another_data_type_is_not_used(
    config: RunConfig, stored: CalibratedProfile
) -> None:
    resolved = resolve_profile(config.model_copy(update={"dtype": "bfloat16"}))
    assert resolved.config.profile == "default"
    assert "data type float32 instead of bfloat16" in resolved.notices[0]


def test_the_machine_that_plans_needs_no_gpu(config: RunConfig, checkpoint: Path) -> None:
    edit_json(checkpoint / "config.json", dtype="bfloat16")
    identities_of = {
        device: identity_of_settings(config.model_copy(update={"device": device}))
        for device in ("cpu", "cuda:1")
    }
    assert [each.dtype for each in identities_of.values() if each] == ["float32", "bfloat16"]


def test_a_profile_of_another_model_is_not_mentioned(config: RunConfig) -> None:
    store_profile(replace(PROFILE, model="another"))
    assert resolve_profile(config).notices == ()


def test_a_damaged_profile_is_named_and_ignored(
    config: RunConfig, stored: CalibratedProfile, data_folder: Path
) -> None:
    (data_folder / "profiles" / "a.json").write_text("{")
    resolved = resolve_profile(config)
    assert calibrated_profile(resolved.config) == stored
    assert "a.json is not JSON" in resolved.notices[0]


def test_moving_a_checkpoint_or_reformatting_its_json_changes_nothing(
    config: RunConfig, checkpoint: Path
) -> None:
    before = identity_of_settings(config)
    edit_json(checkpoint / "processor_config.json")
    moved = checkpoint.rename(checkpoint.with_name("moved"))
    assert identity_of_settings(config.model_copy(update={"model": str(moved)})) == before


def test_blocks_of_every_tensor_of_a_large_file_count(
    config: RunConfig, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "_WHOLE_BYTES", 1000)
    weights = checkpoint / "model.safetensors"
    content = weights.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    before = identity_of_settings(config)
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        changed = bytearray(content)
        changed[8 + length + tensor["data_offsets"][0]] ^= 1
        weights.write_bytes(changed)
        assert identity_of_settings(config) != before, name
    weights.write_bytes(content)
    assert identity_of_settings(config) == before


def test_a_hub_model_that_is_not_downloaded_has_no_profile(stored: CalibratedProfile) -> None:
    config = RunConfig(model="org/not-downloaded")
    assert resolve_profile(config).config.profile == "default"
    named = config.model_copy(update={"profile": profile_name(stored)})
    check_profile(named)
    with pytest.raises(ConfigError, match="not on this machine"):
        resolve_profile(named)


@pytest.mark.parametrize("recorded", ["default", "published"])
def test_a_job_begun_before_a_calibration_goes_on_with_what_it_recorded(
    config: RunConfig, stored: CalibratedProfile, recorded: str
) -> None:
    content = json.dumps({"settings": {"profile": recorded}}).encode()
    assert planned_profile(config, content).config.profile == recorded
    assert planned_profile(config, b'{"settings": {}}').config.profile == "default"
    assert calibrated_profile(planned_profile(config, None).config) == stored
    explicit = config.model_copy(update={"profile": "reference"})
    assert planned_profile(explicit, content).config.profile == "reference"


def test_a_recorded_profile_needs_no_data_folder(
    config: RunConfig, stored: CalibratedProfile, data_folder: Path
) -> None:
    begun = planned_profile(config, None).config
    content = json.dumps({"settings": begun.model_dump(mode="json")}).encode()
    shutil.rmtree(data_folder)
    assert planned_profile(config, content).config == begun
