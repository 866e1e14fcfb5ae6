"""The command line: parse options, call the library, print results.

Exit codes: 0 success, 1 a video, model or output can't be used, 2 invalid usage, 3 some items of a
batch failed, 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from tam_video import __version__
from tam_video.cli.batch import batch_command
from tam_video.cli.calibrate import calibrate_command
from tam_video.cli.compare import compare_command
from tam_video.cli.evaluate import evaluate_command
from tam_video.cli.explain import explain_command
from tam_video.cli.export import export_command
from tam_video.cli.models import doctor_command, models_command
from tam_video.cli.profiles import profiles_command
from tam_video.cli.render import render_command
from tam_video.cli.report import report_command, serve_command
from tam_video.cli.run import run_command
from tam_video.cli.verify import verify_command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  tam-video explain clip.mp4 -q "What happens?"
  tam-video explain clip.mp4 -q "Who falls?" -m Qwen/Qwen2.5-VL-3B-Instruct -o out
  tam-video batch clips.jsonl -o out -q "What happens?"
  tam-video run pipelines/annotated_clip.toml clip.mp4 -o out
  tam-video render out --word falls
  tam-video verify out
  tam-video compare out1 out2 -o compared
  tam-video report out --single-file
  tam-video serve tam_runs
  tam-video export out -f coco,vtt
  tam-video calibrate -m Qwen/Qwen2.5-VL-3B-Instruct
  tam-video profiles list
  tam-video models
  tam-video doctor -m Qwen/Qwen2.5-VL-3B-Instruct
\b
Exit codes: 0 success, 1 an input, model or output can't be used, 2 invalid usage, 3 some items of a
batch failed, 130 interrupted.""",
)
@click.version_option(__version__, prog_name="tam-video")
def cli() -> None:
    """Show where and when a video LLM looked, for every token it generated."""


cli.add_command(explain_command)
cli.add_command(batch_command)
cli.add_command(run_command)
cli.add_command(render_command)
cli.add_command(verify_command)
cli.add_command(compare_command)
cli.add_command(report_command)
cli.add_command(serve_command)
cli.add_command(export_command)
cli.add_command(calibrate_command)
cli.add_command(profiles_command)
cli.add_command(models_command)
cli.add_command(doctor_command)
cli.add_command(evaluate_command)


def main() -> None:
    """Run the command line of `tam-video` and `python -m tam_video`."""
    sys.exit(cli(prog_name="tam-video", standalone_mode=True))
