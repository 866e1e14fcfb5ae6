"""`tam-video batch`: explain many clips as a resumable batch."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, check_hashes_option, parse_settings, setting_options
from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from tam_video.batch import BatchItem, BatchOptions
    from tam_video.config import RunConfig

SOME_FAILED = 3


@click.command("batch")
@click.argument("items", metavar="ITEMS")
@click.option(
    "-o", "--output", required=True, metavar="OUT", help="Output folder or URL (s3://...)."
)
@click.option("-q", "--question", metavar="TEXT", help="Question for items that have no question.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of worker processes.  [default: one per GPU, or 1]",
)
@click.option(
    "--engine",
    default="local",
    show_default=True,
    help="Engine that runs the workers: local, ray, or the name of a plug-in.",
)
@click.option("--ray-address", metavar="ADDRESS", help="Address of a Ray cluster: auto, ray://...")
@click.option("--gpus-per-worker", type=float, help="GPUs per worker, with --engine ray.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Time limit per item.")
@click.option("--retry-failed", is_flag=True, help="Retry items that failed before.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failed item.")
@click.option(
    "--max-failures",
    type=click.IntRange(0),
    help="Stop if more than this many items fail.",
)
@click.option(
    "--shard", metavar="I/N", help="Process only part I of N; other machines process the rest."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Process at most this many items, counted from the first.",
)
@click.option(
    "--keep", metavar="A,B,...", help="Files to keep: maps, mp4, vtt, html.  [default: all]"
)
@check_hashes_option
@click.option(
    "--dry-run", is_flag=True, help="Only open the clips and estimate time and disk space."
)
@click.option(
    "--max-pixels", type=click.IntRange(1), help="Maximum pixels per frame.  [default: 2^26]"
)
@click.option(
    "--max-source-frames", type=click.IntRange(1), help="Maximum frames per file.  [default: 10^7]"
)
@click.option(
    "--max-duration",
    type=float,
    metavar="SECONDS",
    help="Maximum duration of a file.  [default: one week]",
)
@click.option(
    "--allow-protocol",
    multiple=True,
    metavar="NAME",
    help="Allow URLs of this protocol (s3, gs, ...) in items.",
)
@click.option("--root", type=PATH, help="Refuse files outside this folder.")
@setting_options("model", "sampling", "generation", "method", "look")
@with_console
def batch_command(
    console: Console,
    items: str,
    output: str,
    question: str | None,
    limit: int | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Explain all videos in ITEMS: a manifest (JSONL, CSV, Parquet), a folder, or a glob.

    Every item gets a run folder in OUT/runs, and a line in OUT/ledger.jsonl when it ends. The same
    command resumes an interrupted batch. Exit code 3: some items failed.
    """
    from tam_video.batch import read_items
    from tam_video.config import make_config

    settings = _batch_options(options)
    config = make_config(parse_settings(options))
    chosen: str | Iterator[BatchItem] = items
    if limit is not None:
        chosen = islice(read_items(items, question=question, policy=settings.policy), limit)
    if dry_run:
        _print_estimate(console, chosen, output, question, config, settings)
    elif _run(console, chosen, output, question, config, settings):
        sys.exit(SOME_FAILED)


def _run(
    console: Console,
    items: str | Iterator[BatchItem],
    output: str,
    question: str | None,
    config: RunConfig,
    settings: BatchOptions,
) -> int:
    """Run the batch and return the number of failed items."""
    from tam_video.batch import run

    counts: Counter[str] = Counter()
    try:
        with (
            redirect_stdout(sys.stderr),  # libraries may print; stdout has the result
            console.progress() as progress,
            closing(
                run(items, output, question=question, config=config, options=settings)
            ) as results,
        ):
            for number, result in enumerate(results, start=1):
                counts[result.status] += 1
                counts["resumed"] += result.is_resumed
                progress("items", number, 0)
                if result.error is not None and not result.is_resumed:
                    reason = f"{result.error.type}: {result.error.message}"
                    console.note(f"failed: {result.item.id}: {reason}")
    except KeyboardInterrupt:
        console.note("finished items are kept: the same command resumes")
        raise
    total = counts["done"] + counts["failed"]
    document = {
        "output_dir": output,
        "items": total,
        **{name: counts[name] for name in ("done", "failed", "resumed")},
    }
    before = f", {counts['resumed']} of them before" if counts["resumed"] else ""
    console.result(
        document,
        f"{total} items: {counts['done']} done, {counts['failed']} failed{before}\n{output}",
    )
    return counts["failed"]


def _print_estimate(
    console: Console,
    items: str | Iterator[BatchItem],
    output: str,
    question: str | None,
    config: RunConfig,
    settings: BatchOptions,
) -> None:
    from tam_video.batch.estimate import estimate

    result = estimate(items, output, question=question, config=config, options=settings)
    cost = "no finished run to estimate from: run some with --limit 5 first"
    if result.seconds is not None and result.bytes is not None:
        workers = settings.workers or 1
        hours = result.seconds / 3600 / workers
        cost = f"about {hours:.2f} h with {workers} worker(s), {result.bytes / 2**30:.2f} GiB"
    lines = [
        f"{result.num_items} items: {result.num_done} done, {result.num_failed} failed before, "
        f"{result.num_to_run} to run",
        f"{result.num_clips} clips, {result.clip_seconds / 3600:.3f} h of video",
        *(f"would fail: {name}: {why}" for name, why in result.problems.items()),
        cost,
    ]
    console.result(asdict(result), "\n".join(lines))


def _batch_options(options: dict[str, Any]) -> BatchOptions:
    """Remove the batch options from `options` and return them as `BatchOptions`."""
    from tam_video.batch import BatchOptions, SourcePolicy
    from tam_video.video.reader import ReadLimits

    def take(**names: str) -> dict[str, Any]:
        """Remove the named options, and return the values that are not None, by field name."""
        values = {field: options.pop(name) for field, name in names.items()}
        return {field: value for field, value in values.items() if value is not None}

    chosen = {name: options.pop(name) for name in ("workers", "engine", "retry_failed", "verify")}
    chosen |= take(timeout_seconds="timeout", max_failures="max_failures")
    engine_options = take(address="ray_address", num_gpus="gpus_per_worker")
    if engine_options and chosen["engine"] != "ray":
        raise ConfigError("--ray-address and --gpus-per-worker need --engine ray")
    if options.pop("fail_fast"):
        chosen["max_failures"] = 0
    keep, shard = options.pop("keep"), options.pop("shard")
    if keep is not None:
        chosen["keep"] = frozenset(filter(None, keep.split(",")))
    limits = take(
        max_pixels="max_pixels", max_frames="max_source_frames", max_seconds="max_duration"
    )
    return BatchOptions(
        **chosen,
        engine_options=engine_options,
        shard=None if shard is None else _shard(shard),
        limits=ReadLimits(**limits),
        policy=SourcePolicy(frozenset(options.pop("allow_protocol")), options.pop("root")),
    )


def _shard(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal()):
        raise ConfigError(f"{text!r} is not a shard", hint="write I/N, such as --shard 1/8")
    return int(first), int(second)
