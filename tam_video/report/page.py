"""Render pages from templates. All values are escaped, and pages load nothing from the network.

A page has a Content-Security-Policy that allows only the scripts and styles of this package, by
their hashes, so that text of a model or a file name is never run as a script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tam_video.export.document import read_calibration
from tam_video.report.content import (
    answer_parts,
    input_names,
    last_name,
    reading_line,
    report_data,
    run_facts,
)
from tam_video.report.media import Media
from tam_video.types import Calibration, Explanation

if TYPE_CHECKING:
    from jinja2 import Environment

_REPORT_SCRIPTS = (
    "model",
    "heat",
    "clocks",
    "state",
    "stage",
    "timeline",
    "matrix",
    "answer",
    "table",
    "keys",
    "report",
)
_SHARED = ("page",)
_HERE = "tam_video.report"
GENERATOR = 'name="generator" content="tam-video '


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered HTML page.

    Attributes:
        html: the document.
        policy: its Content-Security-Policy, also for a server's header.
    """

    html: str
    policy: str

    def encoded(self) -> bytes:
        """Return the page as UTF-8. Lone surrogates become question marks."""
        return self.html.encode("utf-8", errors="replace")


def report_page(
    explanation: Explanation,
    media: Sequence[Media],
    *,
    index_url: str | None = None,
    is_embedded: bool = False,
) -> Page:
    """Render the report of one run.

    Args:
        explanation: the run.
        media: the media of each input.
        index_url: address of the page that lists this run among others.
        is_embedded: whether it is part of another page: without header and links.
    """
    names, checked = input_names(explanation), explanation.verification
    return _page(
        "report",
        scripts=(*_SHARED, *_REPORT_SCRIPTS),
        title=" + ".join(names),
        names=names,
        inputs=list(zip(names, explanation.inputs, media, strict=True)),
        turns=explanation.conversation,
        parts=answer_parts(explanation.answer, explanation.words),
        prompt=[token for token in explanation.tokens if token.role == "prompt"],
        facts=run_facts(explanation),
        warnings=explanation.warnings + (checked.warnings if checked else ()),
        checked=checked,
        reading=reading_line(explanation),
        verdicts=warned([explanation.calibration]),
        data=report_data(explanation, media),
        index_url=index_url,
        is_embedded=is_embedded,
    )


def index_page(rows: Sequence[Mapping[str, Any]], *, title: str) -> Page:
    """Render the index page. See `index_row` for the format of the rows."""
    models = sorted({row["model"] for row in rows})
    return _page(
        "index",
        scripts=(*_SHARED, "index"),
        title=title,
        rows=rows,
        models=models,
        verdicts=warned(row["calibration"] for row in rows),
    )


def long_page(timeline: Mapping[str, Any]) -> Page:
    """Render the page for a long video. See `tam_video.long` for the format of the timeline."""
    settings, gate = timeline["settings"], timeline["gate"]
    calibration = read_calibration(timeline.get("calibration"))
    return _page(
        "long",
        scripts=(*_SHARED, "long"),
        title=timeline["video"]["name"],
        timeline=timeline,
        verdicts=warned([calibration]),
        model=last_name(settings["model"]),
        profile=settings.get("profile", "") if calibration is None else calibration.profile,
        clock=_clock,
        data={
            "duration": timeline["video"]["duration_seconds"],
            "gate": gate and {"spans": gate["spans"], "motion": gate["motion"]},
            "windows": timeline["windows"],
            "film": timeline["film"],
        },
    )


def plain_page(
    template: str,
    *,
    package: str,
    style: str,
    plays_media: bool = False,
    calibrations: Iterable[Calibration | None] = (),
    **values: Any,
) -> Page:
    """Render a page from a template and a style sheet of `package`. The page has no scripts.

    Args:
        template: file name; it may include `head.html`, and has `style`, `policy` and `version`.
        package: the package, such as "tam_video.pipelines.medical".
        style: file name of the additions to the shared style.
        plays_media: whether it plays videos from its own folder.
        calibrations: of what it shows; `verdict.html` warns of those that can't be trusted.
        values: variables of the template, including `title`; all are escaped.
    """
    text = "\n".join((_asset("page.css"), _asset(style, package)))
    policy = _policy(style=f"'{_hash(text)}'", img="'self' data:", media="'self'" * plays_media)
    verdicts = warned(calibrations)
    return _rendered(template, package, style=text, policy=policy, verdicts=verdicts, **values)


def warned(calibrations: Iterable[Calibration | None]) -> list[Calibration]:
    """Return the calibrations whose maps can't be trusted, each profile once."""
    return list({each.profile: each for each in calibrations if each and each.warning}.values())


def _clock(seconds: float) -> str:
    """Format a time as minutes and seconds, with hours if needed: "3:05", "1:02:03"."""
    minutes, rest = divmod(int(seconds + 1e-6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _page(name: str, *, scripts: Sequence[str], **values: Any) -> Page:
    style = "\n".join(_asset(f"{each}.css") for each in (*_SHARED, name))
    body = "\n".join(_asset(f"{each}.js") for each in scripts)
    script = f'"use strict";\n(() => {{\n{body}\n}})();\n'
    policy = _policy(
        script=f"'{_hash(script)}'",
        style=f"'{_hash(style)}'",
        img="'self' data:",
        media="'self' data:",
    )
    return _rendered(f"{name}.html", _HERE, script=script, style=style, policy=policy, **values)


def _rendered(
    template: str, package: str, *, style: str, policy: str, script: str = "", **values: Any
) -> Page:
    from markupsafe import Markup

    html = (
        _environment(package)
        .get_template(template)
        .render(
            script=Markup(script),  # noqa: S704  # files of this package, the only text that is not escaped
            style=Markup(style),  # noqa: S704
            policy=policy,
            version=version("tam-video"),
            **values,
        )
    )
    return Page(html, policy)


def _policy(**sources: str) -> str:
    """Return the Content-Security-Policy for the page's scripts, styles, images and media."""
    allowed = {"default": "'none'", **sources}
    parts = [f"{kind}-src {value}" for kind, value in allowed.items() if value]
    return "; ".join((*parts, "base-uri 'none'", "form-action 'none'"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str, package: str = _HERE) -> str:
    return (files(package) / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(each, "assets") for each in (package, _HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
