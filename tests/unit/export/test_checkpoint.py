"""The digest of the weights, on which the keys of results depend."""

from __future__ import annotations

import hashlib

import pytest

from tam_video.errors import ModelLoadError
from tam_video.export.checkpoint import weights_digest
from tam_video.video.source import file_fingerprint


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "b.safetensors", "a.bin", "README.md", "tokenizer.model"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_digest_is_a_hash_of_names_and_contents_in_order(folder):
    names = ["a.bin", "b.safetensors", "config.json", "tokenizer.model"]
    lines = "\n".join(f"{name} {file_fingerprint(folder / name)}" for name in names)
    assert weights_digest(str(folder)) == hashlib.sha256(lines.encode()).hexdigest()[:16]


@pytest.mark.parametrize("suffix", ["json", "jinja", "model", "safetensors", "txt", "bin", "pt"])
def test_files_that_a_model_is_loaded_from_count(folder, suffix):
    before = weights_digest(str(folder))
    path = folder / f"x.{suffix}"
    path.write_text("1")
    first = weights_digest(str(folder))
    path.write_text("2")
    assert len({before, first, weights_digest(str(folder))}) == 3
    path.rename(folder / f"y.{suffix}")
    assert weights_digest(str(folder)) not in (before, first)


def test_other_files_do_not_count(folder):
    before = weights_digest(str(folder))
    (folder / "README.md").write_text("new")
    (folder / "notes.log").write_text("new")
    assert weights_digest(str(folder)) == before


def test_a_hub_model_has_no_digest_and_an_unreadable_folder_is_an_error(folder):
    assert weights_digest("some/model") is None
    (folder / "c.txt").symlink_to(folder / "gone")
    with pytest.raises(ModelLoadError, match="can't read"):
        weights_digest(str(folder))
    with pytest.raises(ModelLoadError):
        weights_digest(str(folder / "none"))
