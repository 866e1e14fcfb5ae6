"""`tam-video models` and `tam-video doctor`: list the supported models, and check a checkpoint."""

from __future__ import annotations

from dataclasses import asdict

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import setting_options


@click.command("models")
@with_console
def models_command(console: Console) -> None:
    """List the supported model families and the geometry of their visual tokens.

    A checkpoint's family is the `model_type` in its config.json.
    """
    from tam_video.models.doctor import list_families

    families = list_families()
    lines = [
        f"{family.model_type:24s} {family.status:16s} {family.frames_per_slot:>8s}  "
        f"{family.geometry}{f'; {family.problem}' if family.problem else ''}"
        for family in families
    ]
    names = ("status", "frames_per_slot", "geometry", "problem")
    rows = [
        {"family": family.model_type, **{name: getattr(family, name) for name in names}}
        for family in families
    ]
    head = f"{'family':24s} {'status':16s} {'frames':>8s}  geometry"
    console.result({"models": rows}, "\n".join([head, *lines]))


@click.command("doctor")
@setting_options("model.model", "model.revision")
@click.option(
    "--num-frames", type=click.IntRange(1), default=8, help="Number of frames.  [default: 8]"
)
@click.option("--width", type=click.IntRange(16), default=320, help="Frame width.  [default: 320]")
@click.option(
    "--height", type=click.IntRange(16), default=240, help="Frame height.  [default: 240]"
)
@with_console
def doctor_command(
    console: Console,
    model: str | None,
    revision: str | None,
    num_frames: int,
    width: int,
    height: int,
) -> None:
    """Check a checkpoint's config, processor and token layout on a synthetic clip."""
    from tam_video.models.doctor import check_layout

    name = model or "tiny"
    report = check_layout(
        name, revision=revision, num_frames=num_frames, width=width, height=height
    )
    layout = report.layout
    lines = [
        f"{name}: {report.family} ({report.status})",
        f"{num_frames} frames of {width} x {height} -> {layout.t} slots of {layout.h} rows x "
        f"{layout.w} columns, {report.num_prompt_tokens} prompt tokens",
        f"frames of each slot: {' '.join('+'.join(map(str, s)) for s in layout.frame_slots)}",
        _coverage(report.layout.view.is_full, layout.cell_box(0, 0, width=width, height=height)),
        f"prompt text: {report.prompt_text}",
    ]
    clip = {"width": width, "height": height, "num_frames": num_frames}
    console.result({"model": name, **asdict(report), **clip}, "\n".join(lines))


def _coverage(is_full: bool, box: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = box
    cells = f"a cell is {right - left:.1f} x {bottom - top:.1f} source pixels"
    if is_full:
        return f"{cells}; the whole frame is covered"
    return f"{cells}; the first one starts at ({left:.1f}, {top:.1f})"
