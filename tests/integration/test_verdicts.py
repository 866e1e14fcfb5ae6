"""The verdict on a checkpoint, in the pages and records that are made with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from stored_profiles import PROFILE

from tam_video.cli import cli
from tam_video.config import RunConfig
from tam_video.profiles.identity import identity_of_settings
from tam_video.profiles.profile import CalibratedProfile
from tam_video.profiles.store import profile_name, store_profile

SHAPES = Path(__file__).parents[2] / "samples" / "shapes.mp4"
QUESTION = "Describe the video."
SENTENCE = "On this model, maps do not <find> the object reliably."
ESCAPED = "On this model, maps do not &lt;find&gt; the object reliably."
BANNER = '<p class="verdict"'


@pytest.fixture
def distrusted() -> CalibratedProfile:
    return store("do-not-trust")


def store(verdict: str) -> CalibratedProfile:
    identity = identity_of_settings(RunConfig(device="cpu"))
    assert identity is not None
    profile = replace(
        PROFILE, model="tiny", identity=identity, layers=(1, 2), verdict=verdict, sentence=SENTENCE
    )
    store_profile(profile)
    return profile


def invoke(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(cli, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.stdout)
    return document


def read(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text())
    return document


@pytest.mark.parametrize(
    ("verdict", "warning"),
    [
        ("trust", ""),
        ("do-not-trust", "DO NOT TRUST"),
        ("not-measurable", "NOT MEASURABLE"),
        ("", ""),
    ],
)
def test_a_report_warns_of_maps_that_cannot_be_trusted(
    tmp_path: Path, verdict: str, warning: str
) -> None:
    profile = store(verdict) if verdict else None
    run = tmp_path / "run"
    invoke("explain", SHAPES, "-q", QUESTION, "-n", 4, "--no-video", "-o", run)
    page, manifest = (run / "report.html").read_text(), read(run / "manifest.json")
    assert (BANNER in page) == bool(warning)
    if profile is None:
        assert manifest["profile"] == "default"
        assert "verdict" not in manifest
        assert "profile default, which is not calibrated for this model" in page
        return
    assert manifest["profile"] == profile_name(profile)
    assert manifest["verdict"] == verdict
    assert f"calibrated for this model: {profile_name(profile)}." in page
    assert "<dd>1, 2</dd>" in page
    assert ESCAPED in page
    if warning:
        assert f"<strong>{warning}</strong> {ESCAPED}" in page
        assert page.index(BANNER) < page.index("<main>")
    invoke("report", run, "--force")
    assert (BANNER in (run / "report.html").read_text()) == bool(warning)
    assert read(run / "manifest.json")["verdict"] == verdict


def test_a_batch_has_the_verdict_in_its_rows_and_on_its_page(
    tmp_path: Path, distrusted: CalibratedProfile
) -> None:
    out = tmp_path / "out"
    invoke("batch", SHAPES, "-q", QUESTION, "-n", 4, "--keep", "maps", "-o", out)
    [line] = (out / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line)["verdict"] == "do-not-trust"
    header, row = (out / "summary.csv").read_text().splitlines()
    assert "profile,verdict" in header
    assert f"{profile_name(distrusted)},do-not-trust" in row
    assert f"<strong>DO NOT TRUST</strong> {ESCAPED}" in (out / "index.html").read_text()


def test_a_long_video_has_the_verdict_in_its_timeline_and_on_its_page(
    tmp_path: Path, distrusted: CalibratedProfile
) -> None:
    out = tmp_path / "long"
    command = ("explain", SHAPES, "-q", QUESTION, "-n", 4, "--window", "2s", "--no-gate")
    invoke(*command, "--no-video", "-o", out)
    calibration = read(out / "timeline.json")["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["verdict"] == "do-not-trust"
    page = (out / "report.html").read_text()
    assert f"<strong>DO NOT TRUST</strong> {ESCAPED}" in page
    assert profile_name(distrusted) in page


def test_alerts_and_their_page_have_the_verdict(
    tmp_path: Path, distrusted: CalibratedProfile
) -> None:
    out = tmp_path / "alerts"
    preset = tmp_path / "camera.toml"
    preset.write_text(f'''
pipeline = "surveillance"
inputs = ["{SHAPES}"]
output = "{out}"
[[questions]]
name = "scene"
ask = "{QUESTION}"
always = true
[run]
num_frames = 4
''')
    invoke("run", preset)
    [line, *_] = (out / "alerts.jsonl").read_text().splitlines()
    alert = json.loads(line)
    assert alert["profile"] == profile_name(distrusted)
    assert alert["calibration"]["verdict"] == "do-not-trust"
    assert f"<strong>DO NOT TRUST</strong> {ESCAPED}" in (out / "index.html").read_text()
    recorded = read(out / "batch.json")["settings"]
    assert isinstance(recorded, dict)
    assert recorded["profile"] == distrusted.as_document()
