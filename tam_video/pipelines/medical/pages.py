"""The page of each study and the page that lists them: escaped, without scripts, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tam_video.pipelines.medical.studies import Failure, Study
from tam_video.pipelines.medical.work import NOTICE
from tam_video.report.page import plain_page
from tam_video.workspace.files import atomic_write

INDEX = "index.html"
STUDIES = "studies"


def write_pages(
    output: Path, studies: Sequence[Study], failed: Sequence[Failure], *, skipped: int
) -> Path:
    """Write a page for each study, and `index.html`.

    Args:
        output: the pipeline's folder.
        studies: what is told.
        failed: inputs that could not be taken in.
        skipped: files without pictures.

    Returns:
        The index.

    Raises:
        ExportError: a page can't be written.
    """
    for study in studies:
        page = _page("study.html", title=f"Study {study.study}", study=study)
        atomic_write(output / STUDIES / f"{study.study}.html", page)
    page = _page(INDEX, title="Studies", studies=studies, failed=failed, skipped=skipped)
    return atomic_write(output / INDEX, page)


def _page(template: str, **values: Any) -> str:
    page = plain_page(
        template,
        package="tam_video.pipelines.medical",
        style="study.css",
        notice=NOTICE.removeprefix("Not a medical device. "),
        **values,
    )
    return page.html
