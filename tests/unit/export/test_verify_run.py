"""A run folder is finished only with all files of its manifest."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.export.manifest import new_run_folder, verify_run

FILES = {"explanation.json": b"{}", "maps.npz": bytes(range(40)), "empty": b""}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def a_run(folder):
    target = folder / f"run{len(list(folder.iterdir()))}"
    with new_run_folder(target) as inside:
        for name, content in FILES.items():
            (inside / name).write_bytes(content)
    return target


def test_a_sealed_run_is_finished(runs):
    run = a_run(runs)
    assert verify_run(run)
    assert verify_run(run, hashes=True)
    (run / "further.txt").write_text("a file that the manifest does not list")
    assert verify_run(run, hashes=True)


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
def test_a_missing_file_or_a_wrong_size_is_detected(runs, name, data):
    run = a_run(runs)
    size = len(FILES[name])
    new_size = data.draw(st.none() | st.integers(0, 60).filter(lambda each: each != size))
    if new_size is None:
        (run / name).unlink()
    else:
        os.truncate(run / name, new_size)
    assert not verify_run(run)
    assert not verify_run(run, hashes=True)


@given(position=st.integers(0, 39), bit=st.integers(0, 7))
def test_a_flipped_bit_is_detected_only_by_the_hashes(runs, position, bit):
    run = a_run(runs)
    content = bytearray(FILES["maps.npz"])
    content[position] ^= 1 << bit
    (run / "maps.npz").write_bytes(content)
    assert verify_run(run)
    assert not verify_run(run, hashes=True)


@given(size=st.integers(0, 200))
def test_a_truncated_manifest_is_detected(runs, size):
    run = a_run(runs)
    manifest = run / "manifest.json"
    os.truncate(manifest, min(size, len(manifest.read_bytes().rstrip()) - 1))
    assert not verify_run(run)


@pytest.mark.parametrize(
    "files", [[], "x", {"maps.npz": 7}, {"maps.npz": {}}, {"maps.npz": {"bytes": "40"}}]
)
def test_a_manifest_of_another_form_is_not_finished(runs, files):
    run = a_run(runs)
    (run / "manifest.json").write_text(json.dumps({"files": files}))
    assert not verify_run(run, hashes=True)


def test_a_missing_folder_is_not_finished(runs):
    assert not verify_run(runs / "none")
