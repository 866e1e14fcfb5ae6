import pytest
from dicom_files import dataset_of, pictures, save

from tam_video.errors import ConfigError, VideoOpenError
from tam_video.pipelines.medical.intake import anonymous_link, find_sources


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "study"
    save(dataset_of(pictures(1)), home / "IM0001")
    for name in ("clip.mp4", "notes.txt", ".hidden.mp4", "deep/two.AVI"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(b"x")
    save(dataset_of(pictures(1)), home / "DICOMDIR")
    (tmp_path / "outside.mp4").write_bytes(b"x")
    (home / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    return home


def names(sources):
    return [source.path.name for source in sources]


def test_a_folder_lists_dicom_by_content_and_clips_by_suffix(folder):
    sources = find_sources([str(folder)])
    assert names(sources) == ["IM0001", "clip.mp4", "two.AVI"]
    assert [source.name for source in sources] == ["input-1", "input-2", "input-3"]
    assert not any(source.is_named for source in sources)


def test_a_file_of_two_inputs_is_listed_once(folder):
    sources = find_sources(
        [str(folder / "*.mp4"), str(folder / "clip.mp4"), str(folder / "notes.txt")]
    )
    assert names(sources) == ["clip.mp4", "notes.txt"]
    assert [source.is_named for source in sources] == [True, True]


@pytest.mark.parametrize("missing", ["JANE_DOE.dcm", "JANE_DOE*", "s3://JANE_DOE/x"])
def test_a_missing_input_is_reported_by_its_number(folder, missing):
    text = missing if "://" in missing else str(folder / missing)
    with pytest.raises(ConfigError, match="input 2") as caught:
        find_sources([str(folder), text])
    assert "JANE" not in caught.value.message + caught.value.hint


def test_a_file_is_opened_through_a_link_without_its_name(folder):
    path = folder / "JANE_DOE.mp4"
    path.write_bytes(b"pixels")
    with anonymous_link(path, "input-1") as link:
        assert link.name == "input-1.mp4"
        assert link.read_bytes() == b"pixels"
        assert "JANE" not in str(link) + str(link.readlink())
    assert not link.parent.exists()


def test_an_unknown_suffix_is_not_kept(folder):
    path = folder / "a.JANE_DOE"
    path.write_bytes(b"x")
    with anonymous_link(path, "input-1") as link:
        assert link.name == "input-1"


def test_an_unreadable_file_is_reported_by_its_number(folder):
    with (
        pytest.raises(VideoOpenError, match=r"^input-4 can't be opened") as caught,
        anonymous_link(folder / "JANE_DOE.mp4", "input-4"),
    ):
        pass
    assert "JANE" not in caught.value.message
