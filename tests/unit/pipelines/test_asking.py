import pytest

from tam_video.batch.storage import BATCH_FILE, FolderStorage
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.pipelines.asking import named_clips, remove_batch


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


def test_remove_batch_removes_a_batch_and_nothing_else(folder):
    remove_batch(folder / "none")
    remove_batch(folder / "a")
    assert (folder / "a" / "one.mp4").exists()
    batch = folder / "batch"
    storage = FolderStorage(batch)
    storage.acquire("ledger")
    storage.begin({})
    storage.release()
    (batch / BATCH_FILE).write_text("{}")
    (batch / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        remove_batch(batch)
    (batch / "notes.txt").unlink()
    remove_batch(batch)
    assert not batch.exists()


def test_remove_batch_refuses_a_locked_batch(folder):
    batch = folder / "batch"
    batch.mkdir()
    other = FolderStorage(batch)
    (batch / BATCH_FILE).write_text("{}")
    other.acquire("ledger")
    try:
        with pytest.raises(ConfigError, match="another process"):
            remove_batch(batch)
    finally:
        other.release()
    assert batch.exists()
