"""`tam-video verify`: check the answer of a finished run causally."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, rare_collections, with_console
from tam_video.cli.options import (
    PATH,
    add_options,
    field_option,
    moved_video_options,
    parse_settings,
    setting_options,
)
from tam_video.settings.declare import declared
from tam_video.settings.verify import VerifySettings

if TYPE_CHECKING:
    from tam_video.config import RunConfig
    from tam_video.models import VideoModel
    from tam_video.runs import RunFiles
    from tam_video.types import Explanation, Verification

_FIELDS = declared(VerifySettings)
_MODEL = ("model.model", "model.dtype", "model.device", "model.device_map")


@click.command("verify")
@click.argument("run_dir", metavar="RUN_DIR", type=PATH)
@click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD",
    help="Word to check, as text or index; may be repeated.  [default: the content words]",
)
@partial(add_options, options=[field_option(field, {}) for field in _FIELDS])
@moved_video_options
@setting_options(
    *_MODEL,
    model={"help": "The model, if it was moved.  [default: as in the run]"},
    dtype={"help": "Data type of the weights.  [default: as in the run]"},
    device={"help": "Device: auto, cpu, cuda, cuda:1, mps.  [default: as in the run]"},
    device_map={"help": "Device map of transformers.  [default: as in the run]"},
)
@with_console
def verify_command(
    console: Console,
    run_dir: Path,
    words: tuple[str, ...],
    videos: tuple[Path, ...],
    allow_other_video: bool,
    **options: Any,
) -> None:
    """Check where the words of RUN_DIR were seen, by hiding these places from the model.

    For each content word the pixels of its track are hidden, then those of up to 8 regions of the
    same size, shape and motion elsewhere. The model reads the same answer each time; the fall of
    the word's probability is compared. The model is loaded with the settings of the run, unless
    options change them. The result is added to explanation.json and report.html; an earlier one is
    replaced.
    """
    with rare_collections():
        from tam_video.config import recorded_config
        from tam_video.export.document import load_explanation
        from tam_video.verification import plan_verification, verify_answer

        own = {field.name: options.pop(field.name) for field in _FIELDS}
        settings = VerifySettings(words=words, **parse_settings(own))
        explanation = load_explanation(run_dir)
        console.note(f"verify: {plan_verification(explanation, settings).cost}")
        with console.progress() as progress:
            result = verify_answer(
                run_dir,
                settings=settings,
                config=recorded_config(explanation.settings, **parse_settings(options)),
                video=videos or None,
                allow_other_video=allow_other_video,
                progress=progress,
            )
        console.warn(result.warnings)
        console.result(
            {"run_dir": run_dir, **verification_document(explanation, result)},
            "\n".join([*_lines(explanation, result), result.summary]),
        )


def load_to_verify(console: Console, config: RunConfig, run_dir: Path, *, force: bool) -> Any:
    """Load the model once for a run that is first explained and then verified."""
    from tam_video.export.manifest import refuse_existing
    from tam_video.pipeline import load_model_from_config
    from tam_video.stages import StageTimer

    refuse_existing(run_dir, force=force)
    with console.progress() as progress, StageTimer(progress).stage("load model"):
        return load_model_from_config(config)


def verify_new_run(
    console: Console, run: RunFiles, model: VideoModel, config: RunConfig
) -> dict[str, Any]:
    """Check a newly written run with a loaded model. Return the result as JSON values."""
    from tam_video.export.document import load_explanation
    from tam_video.verification import plan_verification, verify_answer

    explanation = load_explanation(run.run_dir)
    console.note(f"verify: {plan_verification(explanation, VerifySettings()).cost}")
    with console.progress() as progress:
        result = verify_answer(run.run_dir, model=model, config=config, progress=progress)
    console.warn(result.warnings)
    console.note(f"verify: {result.summary}")
    return {"verification": verification_document(explanation, result)}


def verification_document(explanation: Explanation, result: Verification) -> dict[str, Any]:
    """Convert a result to JSON values, and add the text of each word."""
    words = [
        {
            "word": each.word,
            "text": explanation.words[each.word].text,
            "input": each.input,
            "probability": each.probability,
            "hidden": each.hidden,
            "controls": each.controls,
            "num_beaten": each.num_beaten,
            "is_confirmed": each.is_confirmed,
        }
        for each in result.words
    ]
    return {"words": words, "num_passes": result.num_passes, "summary": result.summary}


def _lines(explanation: Explanation, result: Verification) -> list[str]:
    """Return one line for each checked word."""
    names = [explanation.words[each.word].text for each in result.words]
    width = max(map(len, names), default=0)
    return [
        f"{name:<{width}}  {each.summary}" for name, each in zip(names, result.words, strict=True)
    ]
