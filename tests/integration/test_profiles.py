"""Explain, batch and long videos with the profile that was calibrated for the checkpoint."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from stored_profiles import PROFILE

import tam_video
from tam_video.calibration.candidates import built_in
from tam_video.cli import cli
from tam_video.config import RunConfig
from tam_video.models import load_model
from tam_video.models.inference import TransformersModel
from tam_video.profiles.identity import identity_of_model, identity_of_settings
from tam_video.profiles.profile import CalibratedProfile
from tam_video.profiles.store import profile_name, store_profile
from tam_video.tam.options import ActivationOptions

SHAPES = Path(__file__).parents[2] / "samples" / "shapes.mp4"
QUESTION = "Describe the video."
OPTIONS = ActivationOptions(correction="none", rank_filter=False)


@pytest.fixture(scope="module")
def tiny() -> TransformersModel:
    return load_model("tiny", device="cpu")


def profile_of_tiny(**values: object) -> CalibratedProfile:
    identity = identity_of_settings(RunConfig(device="cpu"))
    assert identity is not None
    profile = replace(
        PROFILE, model="tiny", identity=identity, layers=(1,), options=OPTIONS, **values
    )
    store_profile(profile)
    return profile


def explain(tiny: TransformersModel, **settings: object) -> tam_video.Explanation:
    return tam_video.explain(SHAPES, QUESTION, model=tiny, num_frames=4, **settings)


def invoke(*arguments: object, exit_code: int = 0) -> tuple[dict[str, object], str]:
    result = CliRunner().invoke(cli, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout), result.stderr


def test_a_loaded_model_has_the_identity_of_its_files(tiny: TransformersModel) -> None:
    assert identity_of_model(tiny) == identity_of_settings(RunConfig(device="cpu"))


def test_two_fine_tunes_with_one_config_have_different_identities(
    tmp_path: Path, tiny: TransformersModel
) -> None:
    import torch

    identities = set()
    weight = tiny.checkpoint.model.get_input_embeddings().weight
    before = weight.detach().clone()
    try:
        for number in range(2):
            with torch.no_grad():
                weight[7, 3] += 0.01
            folder = tmp_path / f"tune{number}"
            tiny.checkpoint.model.save_pretrained(folder)
            tiny.checkpoint.processor.save_pretrained(folder)
            identity = identity_of_settings(RunConfig(model=str(folder), device="cpu"))
            identities.add(identity)
    finally:
        with torch.no_grad():
            weight.copy_(before)
    assert len(identities) == 2
    assert len({replace(each, weights="") for each in identities if each is not None}) == 1


def test_maps_are_read_with_the_layers_and_options_of_the_profile(
    tiny: TransformersModel,
) -> None:
    default = explain(tiny)
    assert default.settings["profile"] == "default"
    assert default.calibration is None
    profile = profile_of_tiny()
    calibrated = explain(tiny)
    assert calibrated.answer == default.answer
    assert calibrated.settings["profile"] == profile_name(profile)
    assert calibrated.calibration is not None
    assert calibrated.calibration.sentence == profile.sentence
    assert calibrated.calibration.layers == (1,)
    np.testing.assert_array_equal(calibrated.maps, explain(tiny, method="logit", layer=1).maps)
    np.testing.assert_array_equal(calibrated.visual_reliance, default.visual_reliance)
    np.testing.assert_array_equal(explain(tiny, profile="default").maps, default.maps)


def test_a_layer_that_is_named_wins(tiny: TransformersModel) -> None:
    profile_of_tiny()
    named = explain(tiny, layer=2)
    np.testing.assert_array_equal(named.maps, explain(tiny, method="logit", layer=2).maps)


def test_a_calibration_that_keeps_the_built_in_profile_changes_no_map(
    tiny: TransformersModel,
) -> None:
    default = explain(tiny)
    kept = built_in(4)
    store_profile(replace(profile_of_tiny(), layers=kept.layers, options=kept.options))
    np.testing.assert_array_equal(explain(tiny).maps, default.maps)


def test_the_calibration_is_saved_and_loaded(tmp_path: Path, tiny: TransformersModel) -> None:
    profile_of_tiny(verdict="do-not-trust")
    explained = explain(tiny)
    explained.save(tmp_path / "run")
    loaded = tam_video.Explanation.load(tmp_path / "run")
    assert loaded.calibration == explained.calibration
    assert loaded.calibration is not None
    assert loaded.calibration.warning == "DO NOT TRUST"


def test_the_command_says_once_how_to_calibrate(tmp_path: Path) -> None:
    command = ("explain", SHAPES, "-q", QUESTION, "-n", 4, "--no-video", "--no-report", "-o")
    document, text = invoke(*command, tmp_path / "a")
    assert text.count("not calibrated: tam-video calibrate -m tiny takes about") == 1
    assert document["calibration"] is None
    profile = profile_of_tiny()
    document, text = invoke(*command, tmp_path / "b")
    assert "not calibrated" not in text
    assert document["profile"] == profile_name(profile)
    document, text = invoke(*command, tmp_path / "c", "--profile", "default")
    assert "not calibrated" not in text
    assert document["profile"] == "default"


def test_windows_say_once_how_to_calibrate(tmp_path: Path) -> None:
    command = ("explain", SHAPES, "-q", QUESTION, "-n", 4, "--window", "2s", "--no-gate")
    command = (*command, "--no-video", "--no-report", "--device", "cpu", "-o", tmp_path)
    _, text = invoke(*command)
    assert text.count("not calibrated: tam-video calibrate -m tiny --device cpu takes about") == 1
    _, text = invoke(*command)
    assert "not calibrated" not in text


def test_the_command_says_why_a_profile_is_not_used(tmp_path: Path) -> None:
    profile = profile_of_tiny()
    command = ("explain", SHAPES, "-q", QUESTION, "-n", 4, "--no-video", "--no-report", "-o")
    _, text = invoke(*command, tmp_path / "a", "--dtype", "bfloat16")
    assert f"the profile {profile_name(profile)} is not used: data type float32" in text
    assert "not calibrated: tam-video calibrate -m tiny --dtype bfloat16 takes about" in text


def test_a_batch_goes_on_with_the_profile_that_its_plan_recorded(
    tmp_path: Path, data_folder: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {"id": "one", "video": str(SHAPES), "question": QUESTION}
    command = ("batch", rows, "-n", 4, "--keep", "maps", "-o")
    rows.write_text(json.dumps(row))
    invoke(*command, tmp_path / "before")
    profile = profile_of_tiny()
    rows.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "two", "answer": "A ring."}))
    counts, _ = invoke(*command, tmp_path / "before")
    assert counts["resumed"] == 1
    assert profiles_of(tmp_path / "before") == {"default"}
    rows.write_text(json.dumps(row))
    invoke(*command, tmp_path / "after")
    shutil.rmtree(data_folder)
    rows.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "two", "answer": "A ring."}))
    counts, _ = invoke(*command, tmp_path / "after")
    assert counts["resumed"] == 1
    assert profiles_of(tmp_path / "after") == {profile_name(profile)}
    recorded = json.loads((tmp_path / "after" / "batch.json").read_text())
    assert recorded["settings"]["profile"] == profile.as_document()


def profiles_of(batch: Path) -> set[str]:
    return {
        tam_video.Explanation.load(folder).settings["profile"]
        for folder in (batch / "runs").iterdir()
    }


def test_a_long_video_goes_on_with_the_profile_that_it_recorded(
    tmp_path: Path, data_folder: Path
) -> None:
    profile = profile_of_tiny()
    command = ("explain", SHAPES, "-q", QUESTION, "-n", 4, "--window", "2s", "--no-gate")
    command = (*command, "--no-video", "--no-report", "-o", tmp_path / "long")
    invoke(*command)
    windows = sorted((tmp_path / "long" / "windows").iterdir())
    shutil.rmtree(windows[0])
    (tmp_path / "long" / "timeline.json").unlink()
    shutil.rmtree(data_folder)
    invoke(*command)
    assert {tam_video.Explanation.load(each).settings["profile"] for each in windows} == {
        profile_name(profile)
    }
