"""The page of each study and the page that lists them: escaped, without scripts, light and dark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tam_video.export.durable import write_whole
from tam_video.pipelines.medical.studies import Failure, Study
from tam_video.pipelines.medical.work import NOTICE

if TYPE_CHECKING:
    from jinja2 import Environment

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
        write_whole(output / STUDIES / f"{study.study}.html", page)
    page = _page(INDEX, title="Studies", studies=studies, failed=failed, skipped=skipped)
    return write_whole(output / INDEX, page)


def _page(template: str, **values: Any) -> str:
    from markupsafe import Markup

    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:"
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704  # our own files, the only text that is not escaped
            policy=f"{policy}; base-uri 'none'; form-action 'none'",
            version=version("tam-video"),
            notice=NOTICE.removeprefix("Not a medical device. "),
            **values,
        )
    )


@cache
def _style() -> str:
    shared = files("tam_video.report") / "assets" / "page.css"
    own = files("tam_video.pipelines.medical") / "assets" / "study.css"
    return "\n".join(each.read_text(encoding="utf-8") for each in (shared, own))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("tam_video.pipelines.medical", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
