"""Render several runs side by side in one clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tam_video.errors import ConfigError
from tam_video.render.annotate import RenderedFiles, encode, finish_clip, open_context
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import Pass, schedule_turns_if_present
from tam_video.render.screens import compare_screen
from tam_video.render.turns import question_of
from tam_video.stages import StepProgress
from tam_video.types import Explanation
from tam_video.video.reader import open_video

MAX_RUNS = 9


def render_comparison(
    explanations: Sequence[Explanation],
    names: Sequence[str],
    video_path: Path,
    mp4: Path,
    *,
    options: RenderOptions | None = None,
    progress: StepProgress | None = None,
) -> RenderedFiles:
    """Write a clip that shows several runs side by side, with its captions and previews.

    Each run's content words share the clip; a chosen word is shown in the runs that have it.

    Args:
        explanations: the runs; all of them are of the same clip.
        names: a label for each run.
        video_path: the clip.
        mp4: the file to write; captions and previews have its stem.
        options: how it looks; `layout` is ignored.
        progress: called with (frames done, total frames) after each frame.

    Raises:
        ConfigError: too few or too many runs, or no run has the chosen word, token or font.
        InputError: the video can't be read.
        OutputError: a file can't be written.
    """
    look = options or RenderOptions()
    if not 2 <= len(explanations) <= MAX_RUNS:
        raise ConfigError(
            f"can't show {len(explanations)} runs side by side",
            hint=f"pass 2 to {MAX_RUNS} run folders",
        )
    with open_video(video_path, reader=look.reader) as reader:
        context, tags = open_context(reader, look)
        schedules = tuple(
            schedule_turns_if_present(each, look, context.clip) for each in explanations
        )
        if look.show_word is not None and not any(each.subjects[0].spans for each in schedules):
            raise ConfigError(
                f"no answer contains the word {look.show_word!r}",
                hint="choose a word that occurs in an answer",
            )
        passes = (Pass(schedules),)
        screen = compare_screen(explanations, names, context)
        written = encode(mp4, reader, screen, passes, context, tags=tags, progress=progress)
    return finish_clip(
        written,
        passes,
        context,
        vtt=mp4.with_suffix(".vtt"),
        preview=mp4.with_suffix(""),
        title=" / ".join(names),
    )


def run_names(explanations: Sequence[Explanation], folders: Sequence[str]) -> list[str]:
    """Name each run by the settings and the question in which the runs differ, or by its folder."""
    facts = [_facts(each) for each in explanations]
    differing = [name for name in facts[0] if len({each[name] for each in facts}) > 1]
    names = [
        " · ".join(each[name] for name in differing if each[name]) or folder
        for each, folder in zip(facts, folders, strict=True)
    ]
    return names if len(set(names)) == len(names) else list(folders)


def _facts(explanation: Explanation) -> dict[str, str]:
    settings = explanation.settings
    layer = settings.get("layer")
    return {
        **{name: str(settings.get(name) or "") for name in ("model", "method", "profile")},
        "layer": "" if layer is None else f"layer {layer}",
        "frames": f"{len(explanation.indices)} frames",
        "question": question_of(explanation),
    }
