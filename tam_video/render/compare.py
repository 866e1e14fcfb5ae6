"""Several runs on one clip, side by side on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tam_video.errors import ConfigError
from tam_video.render.annotate import RenderedFiles, clip_clock, encode, source_tags
from tam_video.render.options import RenderOptions
from tam_video.render.preview import write_preview
from tam_video.render.schedule import (
    Pass,
    list_turns,
    schedule_turns_if_present,
    turn_warnings,
)
from tam_video.render.screens import RenderContext, compare_screen
from tam_video.render.subtitles import Cue, write_vtt
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
    """Write one clip of several runs, with its captions and previews beside it.

    Each run's content words share the clip; a chosen word is shown where it was said.

    Args:
        explanations: the runs; all of them are of the same clip.
        names: what each run is called.
        video_path: the clip.
        mp4: the file to write; captions and previews have its stem.
        options: how it looks; the layout is "compare" whatever they say.
        progress: called with (frames done, frames in all) after each frame.

    Raises:
        ConfigError: too few or too many runs, no run says the chosen word, or there is no such
            token or font.
        InputError: the video can't be read.
        OutputError: a file can't be written.
    """
    look = options or RenderOptions(layout="compare")
    if not 2 <= len(explanations) <= MAX_RUNS:
        raise ConfigError(
            f"{len(explanations)} runs can't be compared", hint=f"give 2 to {MAX_RUNS} run folders"
        )
    with open_video(video_path, reader=look.reader) as reader:
        clip, tags = clip_clock(reader), source_tags(video_path, reader.info)
        schedules = tuple(schedule_turns_if_present(each, look, clip) for each in explanations)
        if look.word is not None and not any(schedule.subjects[0].spans for schedule in schedules):
            raise ConfigError(f"no run says {look.word!r}", hint="choose a word of the answers")
        passes = (Pass(schedules),)
        screen = compare_screen(
            explanations, names, RenderContext(reader.info, clip, look, tags.matrix)
        )
        written = encode(mp4, reader, screen, passes, clip, tags=tags, look=look, progress=progress)
    found = list_turns(passes, clip, shift_seconds=written.shift_seconds)
    cues = (Cue(each.start_seconds, each.end_seconds, each.text) for each in found)
    vtt = write_vtt(mp4.with_suffix(".vtt"), cues)
    previews = tuple(
        write_preview(mp4, mp4.with_suffix(f".{kind}"), title=" / ".join(names), font=look.font)
        for kind in look.previews
    )
    warnings = (*written.warnings, *turn_warnings(found))
    return RenderedFiles(mp4, vtt, found, warnings, previews=previews)


def run_names(explanations: Sequence[Explanation], folders: Sequence[str]) -> list[str]:
    """What tells runs apart: the settings and questions that differ, else the folders' names.

    Args:
        explanations: the runs.
        folders: a name for each, where nothing else differs.
    """
    facts = [_facts(each) for each in explanations]
    differing = [name for name in facts[0] if len({each[name] for each in facts}) > 1]
    names = [
        " · ".join(each[name] for name in differing if each[name]) or folder
        for each, folder in zip(facts, folders, strict=True)
    ]
    return names if len(set(names)) == len(names) else list(folders)


def _facts(explanation: Explanation) -> dict[str, str]:
    settings = explanation.settings
    asked = [turn.text for turn in explanation.conversation if turn.role == "user"]
    layer = settings.get("layer")
    return {
        "model": str(settings.get("model") or ""),
        "method": str(settings.get("method") or ""),
        "profile": str(settings.get("profile") or ""),
        "layer": "" if layer is None else f"layer {layer}",
        "frames": f"{len(explanation.indices)} frames",
        "question": asked[-1] if asked else "",
    }
