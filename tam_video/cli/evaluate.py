"""`tam-video evaluate`: experiments on clips with known ground truth and on public datasets.

The options of each experiment are made from the fields of its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, add_options, field_option, parse_settings, setting_options
from tam_video.settings.declare import declared


@dataclass(frozen=True, slots=True)
class _Command:
    """Help text of an experiment, and the import path of its settings class, "module:NAME"."""

    settings: str
    help: str
    epilog: str = ""


_COMMANDS = {
    "shapes": _Command(
        "tam_video.evaluation.settings:ShapesSettings",
        """Compare methods on clips of coloured shapes, against exact masks.

        Every clip is written as an MP4, read back and captioned; the colour and shape words of the
        caption are scored. An interrupted evaluation is resumed: finished clips are kept.""",
    ),
    "controls": _Command(
        "tam_video.evaluation.controls_settings:ControlSettings",
        """Score maps that can't depend on the clip: they must fall to chance.

        An interrupted evaluation is resumed: finished clips are kept.""",
        """\b
Parts:
  controls  another clip's frames, frames in random order, blank frames, random
            weights, and the true map averaged over time
  cascade   random weights in more and more layers, from the top; Spearman
            correlation with the true map
  lds       whether the sum of the map over random masks predicts the probability
            of the words
  flips     smallest deleted part that flips a yes or a no: AMCR, CSR@10""",
    ),
    "reliance": _Command(
        "tam_video.evaluation.reliance_settings:RelianceSettings",
        """Test visual reliance: does it find false names, does it predict blanking.

        The words of captions, of answers about objects that are and are not there, and of true
        captions with one injected error are scored. An interrupted evaluation is resumed: finished
        clips are kept.""",
    ),
}
_SET_SETTINGS = "tam_video.evaluation.sets.settings:SetSettings"
_SET_HELP = """Nothing is downloaded. Without its data the command prints where the set is published
and what the folder should hold; see docs/evaluate.md. An interrupted evaluation is resumed:
finished items are kept."""
_SET_OPTIONS: dict[str, dict[str, Any]] = {
    "data": {"required": True},
    "worlds": {"help": "Subsets, such as val  [default: the set's first]"},
    "metrics": {"help": "Metrics  [default: those of the set]"},
    "clips": {"help": "Maximum items of each subset."},
    "fps": {"help": "Frame rate of frames that are stored as images."},
    "question": {"help": "Question, for sets whose items have none."},
}
_RUN = (
    click.option("-o", "--output", type=PATH, metavar="DIR", required=True, help="Folder."),
    click.option(
        "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."
    ),
    click.option(
        "--force", is_flag=True, help="Replace an earlier evaluation in the output folder."
    ),
)


class _Experiments(click.Group):
    """Command group with one command per experiment and public dataset, created on first use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        from tam_video.evaluation.sets import SETS

        return sorted({*_COMMANDS, *SETS.names()})

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an experiment or dataset, or None if the name is unknown."""
        from tam_video.evaluation.sets import ABOUT, SETS

        if cmd_name in _COMMANDS:
            return _experiment_command(cmd_name, _COMMANDS[cmd_name])
        if cmd_name not in SETS.names():
            return None
        about = ABOUT.get(cmd_name, f"The set {cmd_name} of a plug-in.")
        command = _Command(_SET_SETTINGS, f"{about}\n\n{_SET_HELP}")
        return _experiment_command(cmd_name, command, _SET_OPTIONS, dataset=cmd_name)


@click.group("evaluate", cls=_Experiments)
def evaluate_command() -> None:
    """Measure explanation methods on clips whose ground truth is known."""


def _experiment_command(
    name: str,
    command: _Command,
    changed: Mapping[str, dict[str, Any]] | None = None,
    **fixed: Any,
) -> click.Command:
    """Create the command for an experiment.

    `changed` has attributes of options that differ; `fixed` has settings that are not options.
    """
    kind = resolve_name(command.settings)
    fields = declared(kind)
    options: list[Callable[..., Any]] = [
        setting_options("model.model", "model.revision", "model.dtype", "model.device"),
        setting_options("method.layer"),
        *(field_option(each, (changed or {}).get(each.name, {})) for each in fields if each.flag),
        *_RUN,
    ]

    @with_console
    def run(console: Console, output: Path, workers: int, force: bool, **options: Any) -> None:
        from tam_video.evaluation.run import evaluate

        settings = kind.make({**fixed, **parse_settings(options, fields)})
        try:
            with console.progress() as progress:
                done = evaluate(
                    settings,
                    output,
                    workers=workers,
                    force=force,
                    progress=partial(progress, "clips"),
                )
        except KeyboardInterrupt:
            console.note("finished clips are kept: run the same command to resume")
            raise
        if done.num_resumed:
            console.note(f"{done.num_resumed} clips were measured before")
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{done.report.to_text()}\n{done.folder}",
        )

    decorate = click.command(name, help=command.help, epilog=command.epilog)
    return decorate(add_options(run, options))
