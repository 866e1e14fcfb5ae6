import pytest

from tam_video.errors import ConfigError
from tam_video.pipelines.clips import named_clips


@pytest.fixture
def folder(tmp_path):
    for name in ("a/one.mp4", "b/One.mp4", "b/two.mkv", "b/notes.txt", "b/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_clips_of_folders_globs_and_files_get_unique_names(folder):
    inputs = [str(folder / "a"), str(folder / "b" / "*.mp4"), str(folder / "b"), str(folder)]
    clips = named_clips(inputs)
    assert list(clips) == ["one", "One-2", "two"]
    assert [source.removeprefix(f"{folder}/") for source in clips.values()] == [
        "a/one.mp4",
        "b/One.mp4",
        "b/two.mkv",
    ]


def test_a_missing_or_empty_input_is_refused(folder):
    with pytest.raises(ConfigError, match="does not exist"):
        named_clips([str(folder / "none.mp4")])
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match="contains no videos"):
        named_clips([str(folder / "a"), str(folder / "empty")])
