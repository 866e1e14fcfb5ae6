"""List, show, export and remove stored profiles on the command line."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from stored_profiles import PROFILE

from tam_video.cli import cli
from tam_video.profiles.profile import read_profile
from tam_video.profiles.store import profile_name, store_profile

NAME = profile_name(PROFILE)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["profiles", *map(str, arguments)])


def test_without_profiles_the_list_says_how_to_make_one(data_folder: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    assert "tam-video calibrate -m MODEL" in result.stdout
    assert json.loads(run("list", "--json").stdout) == {
        "folder": str(data_folder / "profiles"),
        "profiles": [],
    }


def test_profiles_are_listed_with_their_verdicts() -> None:
    path = store_profile(PROFILE)
    path.with_name("damaged.json").write_text("{")
    lines = run("list").stdout.splitlines()
    assert lines[0].startswith("damaged  damaged: ")
    assert lines[1] == f"{NAME}  TRUST  org/some model (float32)"
    damaged, row = json.loads(run("list", "--json").stdout)["profiles"]
    assert "is not JSON" in damaged["error"]
    assert (row["name"], row["verdict"], row["layers"]) == (NAME, "trust", [1, 3])
    assert row["identity"]["dtype"] == "float32"


def test_a_profile_is_shown() -> None:
    path = store_profile(PROFILE)
    lines = run("show", PROFILE.model).stdout.splitlines()
    assert lines[0] == "TRUST: Maps find the object."
    assert "layers: 1, 3 of 0 to 3" in lines
    assert "identity, quantization: none" in lines
    document = json.loads(run("show", NAME, "--json").stdout)
    assert document == {"name": NAME, "file": str(path), **PROFILE.as_document()}


def test_a_profile_is_exported_once(tmp_path: Path) -> None:
    store_profile(PROFILE)
    file = tmp_path / "profile.json"
    assert run("export", NAME, "-o", file).exit_code == 0
    assert read_profile(file) == PROFILE
    refused = run("export", NAME, "-o", file)
    assert refused.exit_code == 1
    assert "already exists" in refused.stderr
    assert run("export", NAME, "-o", file, "--force").exit_code == 0


def test_a_profile_is_removed() -> None:
    path = store_profile(PROFILE)
    assert json.loads(run("remove", NAME, "--json").stdout) == {"removed": [str(path)]}
    missing = run("remove", NAME)
    assert missing.exit_code == 2
    assert "unknown profile" in missing.stderr
