"""Profiles as files, and the folder that they are stored in."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stored_profiles import IDENTITY, PROFILE

from tam_video.errors import ConfigError, RunFolderError, UnknownNameError
from tam_video.profiles.identity import differences
from tam_video.profiles.profile import (
    read_profile,
    write_profile,
)
from tam_video.profiles.store import (
    list_profiles,
    named_profile,
    remove_profile,
    store_profile,
)


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_profile(write_profile(PROFILE, tmp_path / "p.json")) == PROFILE


def test_a_profile_without_the_newer_options_is_read(tmp_path: Path) -> None:
    document = PROFILE.as_document()
    for name in ("mask_sinks", "rank_filter_min_cells"):
        assert name in document["options"]
        del document["options"][name]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    assert read_profile(path) == PROFILE


def test_a_profile_is_found_for_its_checkpoint_alone() -> None:
    path = store_profile(PROFILE)
    assert dict(list_profiles()) == {path: PROFILE}
    assert differences(PROFILE.identity, IDENTITY) == []
    for name in ("family", "weights", "quantization", "dtype", "processor"):
        assert differences(PROFILE.identity, replace(IDENTITY, **{name: "other"})) != []


def test_a_damaged_profile_is_listed_and_can_be_removed(data_folder: Path) -> None:
    path = store_profile(PROFILE)
    damaged = path.with_name("damaged.json")
    damaged.write_text("{")
    listed = dict(list_profiles())
    assert listed[path] == PROFILE
    assert isinstance(listed[damaged], RunFolderError)
    assert named_profile(PROFILE.model) == (path, PROFILE)
    with pytest.raises(RunFolderError, match="not JSON"):
        named_profile("damaged")
    assert remove_profile("damaged") == [damaged]
    assert dict(list_profiles()) == {path: PROFILE}


def test_a_profile_is_removed_with_the_page_of_its_calibration() -> None:
    path = store_profile(PROFILE)
    page = path.with_suffix(".html")
    page.write_text("")
    assert remove_profile(path.stem) == [path, page]
    assert list(path.parent.iterdir()) == []


def test_a_model_with_several_profiles_does_not_name_one() -> None:
    paths = [
        store_profile(replace(PROFILE, identity=replace(IDENTITY, dtype=dtype)))
        for dtype in ("float32", "bfloat16")
    ]
    with pytest.raises(ConfigError, match="2 profiles") as caught:
        named_profile(PROFILE.model)
    assert all(path.stem in caught.value.hint for path in paths)
    assert named_profile(paths[1].stem)[0] == paths[1]


def test_a_second_calibration_replaces_the_first() -> None:
    store_profile(PROFILE)
    store_profile(replace(PROFILE, seed=1))
    [(path, stored)] = list_profiles()
    assert stored == replace(PROFILE, seed=1)
    assert path.name.startswith("some-model-")


def test_a_profile_is_named_by_its_model_or_file() -> None:
    path = store_profile(PROFILE)
    assert named_profile("org/some model") == named_profile(path.stem) == (path, PROFILE)
    with pytest.raises(UnknownNameError):
        named_profile("other")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "profile format None"),
        ('{"format": 2}', "profile format 2"),
        ('{"format": 1, "model": 3}', "is not a profile: model"),
    ],
)
def test_damaged_profiles_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(RunFolderError, match=message):
        read_profile(tmp_path / "p.json")


def test_a_missing_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="can't read"):
        read_profile(tmp_path / "p.json")
