"""The version stands in one place; the citation file, which has no code, repeats it."""

from importlib.metadata import version
from pathlib import Path

import tam_video

ROOT = Path(__file__).parents[2]


def test_citation_and_installed_package_have_the_version_of_the_code():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()

    assert f"version: {tam_video.__version__}" in citation
    assert version("tam-video") == tam_video.__version__


def test_changelog_has_a_section_for_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"## [{tam_video.__version__}]" in changelog
    assert changelog.index("## [Unreleased]") < changelog.index(f"## [{tam_video.__version__}]")
