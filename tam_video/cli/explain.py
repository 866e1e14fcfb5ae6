"""`tam-video explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import Console, common_options, session
from tam_video.cli.render import look_options


@click.command("explain")
@click.argument("videos", metavar="[VIDEO]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("-q", "--question", metavar="TEXT", help="What to ask about the video.")
@click.option(
    "--conversation",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='JSON list of turns, {"role": "user", "text": ...}; the last turn is the question. User '
    "turns may name the videos and images they show.",
)
@click.option("--answer", metavar="TEXT", help="Explain this answer instead of generating one.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Run folder.")
@click.option("--force", is_flag=True, help="Replace an existing run folder.")
@click.option("-m", "--model", metavar="ID_OR_DIR", help="Hub id or folder  [default: tiny]")
@click.option("--revision", metavar="REV", help="Revision of a hub model.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]))
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--device-map", metavar="MAP", help="Placement of transformers, such as auto.")
@click.option("--attn", "attn_implementation", metavar="NAME", help="sdpa, eager, ...")
@click.option(
    "--layer", metavar="N", help="Decoder layer, share of the depth, or input  [default: -1]"
)
@click.option(
    "--logits",
    type=click.Choice(["model", "head"]),
    help="head: read scores before the model's softcap and scale.",
)
@click.option("--profile", type=click.Choice(["default", "reference"]), help="TAM profile.")
@click.option("--sampler", metavar="NAME", help="uniform, fps, all, keyframes, timestamps, native.")
@click.option("-n", "--num-frames", type=int, help="Frames to sample.")
@click.option("--fps", type=float, help="Frames per second to sample.")
@click.option("--timestamps", metavar="S,S,...", help="Seconds at which frames are taken.")
@click.option("--max-frames", type=int, help="Refuse to sample more frames in all  [default: 768]")
@click.option("--start", metavar="TIME", help="Explain from here: seconds or [HH:]MM:SS.")
@click.option("--end", metavar="TIME", help="Explain up to here: seconds or [HH:]MM:SS.")
@click.option("--reader", metavar="NAME", help="pyav or decord  [default: pyav]")
@click.option("--max-new-tokens", type=int, help="Longest answer  [default: 128]")
@click.option("--sample", "do_sample", is_flag=True, default=None, help="Draw tokens at random.")
@click.option("--temperature", type=float, help="With --sample.")
@click.option("--top-p", type=float, help="With --sample.")
@click.option("--top-k", type=int, help="With --sample.")
@click.option("--seed", type=int, help="With --sample  [default: 0]")
@click.option("--no-video", is_flag=True, help="Write no annotated video.")
@look_options
@common_options
def explain_command(
    videos: tuple[Path, ...],
    question: str | None,
    conversation: Path | None,
    answer: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Ask a question about videos and images and write the answer, its maps and annotated MP4s.

    Several files are shown to the model one after the other; each gets its own maps. Without -o the
    run folder is tam_runs/NAME-HASH.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.cli.settings import asked_from_options, config_from_options
        from tam_video.pipeline import default_run_dir, explain_to_folder

        config = config_from_options(options)
        turns, paths = asked_from_options(videos, question, conversation)
        run_dir = output or default_run_dir(paths, config, turns, answer=answer)
        with console.progress() as progress:
            run = explain_to_folder(
                paths,
                run_dir,
                conversation=turns,
                answer=answer,
                config=config,
                force=force,
                progress=progress,
            )
        for warning in run.explanation.warnings:
            console.note(f"warning: {warning}")
        _print(console, run)


def _print(console: Console, run: Any) -> None:
    from tam_video.export.document import to_document

    document = to_document(run.explanation)
    shown = "\n".join(str(path) for path in run.videos or [run.run_dir])
    console.result(
        {
            "run_dir": run.run_dir,
            "answer": document["answer"],
            "tokens": document["tokens"],
            "words": document["words"],
            "files": run.files,
        },
        f"{document['answer']}\n{shown}",
    )
