"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class RenamedOption(click.Option):
    """An option whose former flags are still read, without being listed in help and docs."""

    def __init__(self, *args: Any, former: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register the flags and the former ones."""
        super().add_to_parser(parser, ctx)
        parser.add_option(obj=self, opts=self.former, dest=self.name, nargs=self.nargs)


MODEL_OPTIONS = (
    click.option("-m", "--model", metavar="ID_OR_DIR", help="Hub id or folder  [default: tiny]"),
    click.option("--revision", metavar="REV", help="Revision of a hub model."),
    click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"])),
    click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps."),
)
_SETTINGS = (
    *MODEL_OPTIONS,
    click.option("--device-map", metavar="MAP", help="Placement of transformers, such as auto."),
    click.option("--attn", "attn_implementation", metavar="NAME", help="sdpa, eager, ..."),
    click.option(
        "--layer",
        metavar="N",
        help="Decoder layer, share of the depth, or input  [default: auto]",
    ),
    click.option(
        "--logits",
        type=click.Choice(["model", "head"]),
        help="head: read scores before the model's softcap and scale.",
    ),
    click.option(
        "--profile",
        type=click.Choice(["default", "published", "reference"]),
        help="default, the paper's steps, or the public code's numbers.",
    ),
    click.option(
        "--method",
        metavar="NAME",
        help="tam, attention, attention-rollout, grad-cam, occlusion, ...  [default: tam]",
    ),
    click.option(
        "--sampler",
        metavar="NAME",
        help="uniform, fps, all, keyframes, timestamps, native.",
    ),
    click.option("-n", "--num-frames", type=int, help="Frames to sample."),
    click.option("--fps", type=float, help="Frames per second to sample."),
    click.option("--timestamps", metavar="S,S,...", help="Seconds at which frames are taken."),
    click.option(
        "--max-frames", type=int, help="Refuse to sample more frames in all  [default: 768]"
    ),
    click.option("--start", metavar="TIME", help="Explain from here: seconds or [HH:]MM:SS."),
    click.option("--end", metavar="TIME", help="Explain up to here: seconds or [HH:]MM:SS."),
    click.option(
        "--allow-pickle",
        is_flag=True,
        default=None,
        help="Load weights that are stored as pickles, where there are no others.",
    ),
    click.option("--reader", metavar="NAME", help="pyav or decord  [default: pyav]"),
    click.option(
        "--frame-size",
        type=click.Choice(["source", "processor"]),
        help="processor: read frames as small as the model's processor makes them; saves memory  "
        "[default: source]",
    ),
    click.option("--max-new-tokens", type=int, help="Longest answer  [default: 128]"),
    click.option(
        "--sample", "do_sample", is_flag=True, default=None, help="Draw tokens at random."
    ),
    click.option("--temperature", type=float, help="With --sample."),
    click.option("--top-p", type=float, help="With --sample."),
    click.option("--top-k", type=int, help="With --sample."),
    click.option("--seed", type=int, help="With --sample  [default: 0]"),
)

moved_video_option = click.option(
    "--video",
    "videos",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the source is now, if it was moved; once for each input.",
)


def setting_options(command: Command) -> Command:
    """Add the options that say which model is asked, about which frames, and how it answers."""
    return add_options(command, _SETTINGS)


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options to a command, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command
