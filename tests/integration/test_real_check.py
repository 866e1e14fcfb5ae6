"""`scripts/real_check` on the embedded model in a folder, and the files in `profiles/`."""

import getpass
import json
import platform
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from stored_profiles import PROFILE

from benchmarks.real_check import check_words, document_of, main, public_name
from tam_video.models import ALIASES, load_model
from tam_video.profiles.profile import parse_profile, read_profile

PROFILES = Path(__file__).parents[2] / "profiles"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local checkpoint, in a folder whose name is private."""
    return Path(shutil.copytree(ALIASES["tiny"], tmp_path / "secret owner" / "my-model"))


def test_the_file_has_the_measurements_and_nothing_private(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_notforothers")
    arguments = [str(folder), "--clips", "2", "--calibration-clips", "10", "--world", "shapes"]
    more = ["--controls", "1", "--profile-out", "profile.json", "--device", "cpu"]
    assert main([*arguments, *more]) == 0

    written = Path("real_check-my-model.json").read_text(encoding="utf-8")
    document = json.loads(written)
    assert document["model"]["name"] == "my-model"
    assert document["model"]["class"] == "Qwen3VLForConditionalGeneration"
    assert document["dtype"] == "float32"
    assert document["verdict"] == document["profile"]["verdict"] == "trust"
    assert len(document["profile"]["curves"]["auc"]) == document["profile"]["num_layers"]
    assert document["profile"]["held_out"]["pointing"]["mean"] > 0.5
    assert {word["number"] for word in document["words"]} == {0, 1}
    assert all(len(word["controls"]) <= 1 for word in document["words"])
    assert document["true_names_fall_most"]["n"] <= len(document["words"])
    assert list(document["steps"]) == ["calibrate", "explain and verify", "load"]
    assert all(step["peak_mb"] > 0 for step in document["steps"].values())
    profile = read_profile(Path("profile.json"))
    assert profile == parse_profile(document["profile"], name="profile")

    for text in (written, Path("profile.json").read_text(encoding="utf-8")):
        for private in (str(Path.home()), str(tmp_path), "secret owner", "hf_notforothers"):
            assert private not in text
        for name in (platform.node(), getpass.getuser()):
            assert re.search(rf"\b{re.escape(name)}\b", text) is None

    assert main(arguments) == 1  # the file is there


def test_a_model_that_understands_no_world_has_no_words() -> None:
    profile = replace(PROFILE, verdict="not-measurable", used_worlds=())
    model = load_model("tiny")
    words = check_words(model, profile, 2, num_controls=2)
    document = document_of(model, profile, words, {})
    assert document["words"] == []
    assert document["true_names_fall_most"]["mean"] is None
    json.dumps(document, allow_nan=False)


def test_wrong_arguments_end_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "check.json")]
    assert main(["tiny", "--clips", "0", *out]) == 2
    assert main(["no such folder", *out]) == 1
    assert capsys.readouterr().err.count("hint: ") == 2
    assert not list(tmp_path.iterdir())


def test_hub_names_and_aliases_stay_as_they_are() -> None:
    assert public_name("Qwen/Qwen3-VL-2B-Instruct") == "Qwen/Qwen3-VL-2B-Instruct"
    assert public_name("tiny") == "tiny"
    assert public_name(".") == Path.cwd().name


def test_contributed_profiles_can_be_read() -> None:
    for path in sorted(PROFILES.glob("**/*.json")):
        if path.name.endswith(".check.json"):
            document = json.loads(path.read_bytes())
            profile = path.with_name(path.name.replace(".check.json", ".json"))
            assert parse_profile(document["profile"], name=path.name) == read_profile(profile)
        else:
            assert read_profile(path).identity.weights
            assert path.with_suffix(".check.json").is_file(), f"{path.name} has no check"
