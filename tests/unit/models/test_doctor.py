"""The table of families, and a layout checked without weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.errors import ModelLoadError
from tam_video.models import ALIASES, FAMILIES
from tam_video.models.doctor import check_layout, list_families

ROOT = Path(__file__).parents[3]


def test_every_family_has_a_row_in_the_documents() -> None:
    table = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for family in list_families():
        name, slot = family.model_type, family.frames_per_slot
        assert f"| `{name}` | {family.status} | {slot} | {family.geometry}" in table
        assert f"`{name}`" in readme


def test_a_problem_is_listed_with_its_status() -> None:
    for family in list_families():
        assert family.status in ("verified", "experimental", "broken-upstream")
        assert family.problem or family.status == "verified"


def test_models_as_json() -> None:
    got = CliRunner().invoke(cli, ["models", "--json"])
    rows = json.loads(got.stdout)["models"]
    assert [row["family"] for row in rows] == FAMILIES.names()
    assert {row["status"] for row in rows} <= {"verified", "experimental", "broken-upstream"}


def test_the_table_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from tam_video.models.doctor import list_families; list_families(); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_layout_is_checked_without_weights(tmp_path: Path) -> None:
    for path in ALIASES["tiny"].iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    report = check_layout(str(tmp_path), num_frames=5, width=224, height=160)
    assert report.family == "qwen3_vl"
    assert report.layout.frame_slots == ((0, 1), (2, 3), (4,))
    assert report.prompt_text == "What happens in the video?"


def test_doctor_prints_and_fails_in_words(tmp_path: Path) -> None:
    got = CliRunner().invoke(cli, ["doctor", "--json"])
    document: dict[str, Any] = json.loads(got.stdout)
    assert document["layout"]["t"] == 4
    failed = CliRunner().invoke(cli, ["doctor", "-m", str(tmp_path)])
    assert failed.exit_code == 1
    assert "config.json" in failed.stderr
    with pytest.raises(ModelLoadError):
        check_layout("no such model")
