"""`tam-video explain`: answer a question about videos and images, and explain the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.calibrate import say_if_not_calibrated
from tam_video.cli.console import Console, rare_collections, with_console
from tam_video.cli.long import explain_long_to_folder, long_options, take_long_options
from tam_video.cli.options import PATH, parse_settings, setting_options
from tam_video.cli.verify import load_to_verify, verify_new_run
from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from tam_video.types import Message


@click.command("explain")
@click.argument("videos", metavar="[VIDEO]...", nargs=-1, type=PATH)
@click.option("-q", "--question", metavar="TEXT", help="Question about the video.")
@click.option(
    "--conversation",
    type=PATH,
    metavar="FILE",
    help='JSON file with a list of conversation turns such as {"role": "user", "text": ...}. The '
    "last turn is the question; user turns may list videos and images.",
)
@click.option("--answer", metavar="TEXT", help="Explain this answer instead of generating one.")
@click.option("-o", "--output", type=PATH, metavar="DIR", help="Run folder to write.")
@click.option("--force", is_flag=True, help="Replace an existing run folder.")
@setting_options("model", "sampling", "generation", "method")
@long_options
@setting_options("output", render={"help": "Do not write the annotated video."})
@click.option("--no-report", is_flag=True, help="Do not write report.html.")
@click.option(
    "--verify",
    is_flag=True,
    help="Also hide the track of each word, and measure how much less probable the word becomes; "
    "see `tam-video verify`.",
)
@setting_options("look")
@with_console
def explain_command(
    console: Console,
    videos: tuple[Path, ...],
    question: str | None,
    conversation: Path | None,
    answer: str | None,
    output: Path | None,
    verify: bool,
    **options: Any,
) -> None:
    """Ask a question about videos and images. Write the answer with maps, MP4s and a report.

    Several files are given to the model in one prompt; each gets its own maps. Without -o the run
    folder is tam_runs/NAME-HASH.

    With --window a long video is explained window by window, where something moves, and summarised
    as one timeline; the same command resumes an interrupted run.
    """
    with rare_collections():
        from tam_video.config import make_config
        from tam_video.runs import OUTPUTS, default_run_dir, explain_to_folder

        force, outputs = options.pop("force"), OUTPUTS
        if options.pop("no_report"):
            outputs = OUTPUTS - {"report"}
        long = take_long_options(options, report="report" in outputs)
        config = make_config(parse_settings(options))
        turns, paths = parse_inputs(videos, question, conversation)
        if long is not None:
            _refuse_with_window(answer=answer, verify=verify)
            explain_long_to_folder(console, paths, output, turns, config, long, force=force)
            return
        run_dir = output or default_run_dir(paths, config, turns, answer=answer)
        model = load_to_verify(console, config, run_dir, force=force) if verify else None
        with console.progress() as progress:
            run = explain_to_folder(
                paths,
                run_dir,
                conversation=turns,
                answer=answer,
                model=model,
                config=config,
                outputs=outputs,
                force=force,
                progress=progress,
            )
        console.warn(run.explanation.warnings)
        say_if_not_calibrated(console, config, run.explanation)
        if "report" in run.files:
            console.note(f"report: {run.files['report']}")
        check = {} if model is None else verify_new_run(console, run, model, config)
        _print(console, run, check)


def _refuse_with_window(*, answer: str | None, verify: bool) -> None:
    """Raise `ConfigError` for an option that does not work with windows."""
    if answer is not None:
        raise ConfigError("--answer does not work with --window", hint="remove --answer")
    if verify:
        raise ConfigError(
            "--verify does not work with --window",
            hint="remove --verify; afterwards, run `tam-video verify` on the folder of each window",
        )


def _print(console: Console, run: Any, check: Mapping[str, Any]) -> None:
    from tam_video.export.document import to_document
    from tam_video.tam.reliance import unseen_words

    document = to_document(run.explanation)
    reliance, words = run.explanation.visual_reliance, run.explanation.words
    suspects = () if reliance is None else unseen_words(words, reliance)
    shown = "\n".join(str(path) for path in run.videos or [run.run_dir])
    console.result(
        {
            "run_dir": run.run_dir,
            "answer": document["answer"],
            "tokens": document["tokens"],
            "words": document["words"],
            "profile": document["settings"]["profile"],
            "calibration": document.get("calibration"),
            "suspects": [word.index for word in suspects],
            "files": run.files,
            **check,
        },
        f"{document['answer']}\n{shown}",
    )


def parse_inputs(
    videos: Sequence[Path], question: str | None, conversation: Path | None
) -> tuple[tuple[Message, ...], tuple[Path, ...]]:
    """Return the conversation and the input files. VIDEO or the conversation names the files.

    Raises:
        ConfigError: not exactly one of question and conversation, no files, files given twice, or
            an invalid conversation.
    """
    from tam_video.types import Message

    if (question is None) == (conversation is None):
        raise ConfigError(
            "give a question or a conversation",
            hint='add -q "What happens?" or --conversation FILE',
        )
    turns: tuple[Message, ...] = (Message("user", question or ""),)
    paths = tuple(videos)
    if conversation is not None:
        from tam_video.models import read_conversation

        read = read_conversation(conversation)
        if read.paths and paths:
            raise ConfigError(
                f"{conversation} lists its videos and images, but {paths[0]} is also given",
                hint="remove VIDEO, or remove the paths from the conversation",
            )
        turns, paths = read.turns, read.paths or paths
    if not paths:
        raise ConfigError("no video or image given", hint="add the path of a video or image")
    return turns, paths
