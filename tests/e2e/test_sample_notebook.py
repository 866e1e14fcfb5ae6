"""The worked notebook runs from its first cell to its last."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = "reading_a_map.ipynb"
SAMPLES = Path(__file__).parents[2] / "samples"


RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    shutil.copy(SAMPLES / "shapes.mp4", folder)
    command = [sys.executable, "-c", RUN, SAMPLES / NOTEBOOK, folder, folder / NOTEBOOK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return folder, nbformat.read(folder / NOTEBOOK, as_version=4)


def outputs(notebook, kind):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        output.data[kind]
        for cell in cells
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


def test_it_shows_a_player_and_a_figure(ran):
    _, notebook = ran
    (player,) = outputs(notebook, "text/html")
    assert "<iframe" in player
    assert len(outputs(notebook, "image/png")) == 1


def test_it_prints_tracks_and_text(ran):
    _, notebook = ran
    said = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stdout"
    )
    assert re.search(r"cyan +\d\.\d\d to \d\.\d\d s, strongest at", said)
    assert "report_single.html" in said


def test_it_writes_the_files_that_it_prints(ran):
    folder, _ = ran
    assert (folder / "shapes_maps.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "shapes_run" / "report_single.html").is_file()


def test_it_is_stored_without_outputs():
    notebook = nbformat.read(SAMPLES / NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
