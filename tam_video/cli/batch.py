"""`tam-video batch`: many clips, resumable."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, common_options, session
from tam_video.cli.options import setting_options

if TYPE_CHECKING:
    from tam_video.batch import BatchItem, BatchOptions
    from tam_video.config import RunConfig

SOME_FAILED = 3


@click.command("batch")
@click.argument("items", metavar="ITEMS")
@click.option("-o", "--output", required=True, metavar="OUT", help="Folder or address (s3://...).")
@click.option("-q", "--question", metavar="TEXT", help="What to ask where an item asks nothing.")
@click.option("--workers", type=click.IntRange(1), help="[default: one for each GPU, or 1]")
@click.option("--engine", default="local", show_default=True, help="local, ray, or a plug-in.")
@click.option("--ray-address", metavar="ADDRESS", help="Of a running Ray cluster: auto, ray://...")
@click.option("--gpus-per-worker", type=float, help="With --engine ray.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Longest time for an item.")
@click.option("--retry-failed", is_flag=True, help="Run items again that failed before.")
@click.option("--fail-fast", is_flag=True, help="End with the first item that fails.")
@click.option("--max-failures", type=click.IntRange(0), help="End when more items have failed.")
@click.option("--shard", metavar="I/N", help="Work on part I of N, beside other machines.")
@click.option("--limit", type=click.IntRange(1), help="Take the first items only.")
@click.option("--keep", metavar="A,B,...", help="maps, mp4, vtt, html  [default: all]")
@click.option("--dry-run", is_flag=True, help="Open the clips and tell what it would cost.")
@click.option("--max-pixels", type=click.IntRange(1), help="Refuse larger pictures  [2^26]")
@click.option("--max-source-frames", type=click.IntRange(1), help="Refuse longer files  [10^7]")
@click.option("--max-duration", type=float, metavar="SECONDS", help="Refuse longer files  [a week]")
@click.option("--allow-protocol", multiple=True, metavar="NAME", help="Items may name s3, gs, ...")
@click.option(
    "--root", type=click.Path(path_type=Path), help="Refuse files outside of this folder."
)
@setting_options("model", "sampling", "generation", "method", "look")
@common_options
def batch_command(
    items: str,
    output: str,
    question: str | None,
    limit: int | None,
    dry_run: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Explain many videos: a manifest (JSONL, CSV, parquet), a folder, or a glob.

    Every item gets a run folder in OUT/runs, and a line in OUT/ledger.jsonl when it has ended. The
    same command goes on where an earlier one was stopped. Exit code 3: some items failed.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.cli.settings import config_from_options

        how = _batch_options(options)
        config = config_from_options(options)
        asked = items if limit is None else _first(items, question, how, limit)
        if dry_run:
            _tell_estimate(console, asked, output, question, config, how)
        elif _run(console, asked, output, question, config, how):
            sys.exit(SOME_FAILED)


def _run(
    console: Console,
    items: str | Iterator[BatchItem],
    output: str,
    question: str | None,
    config: RunConfig,
    how: BatchOptions,
) -> int:
    """Run the batch; how many items failed."""
    from tam_video.batch import run

    counts: Counter[str] = Counter()
    try:
        with (
            redirect_stdout(sys.stderr),  # stdout is for the result: libraries of an engine talk
            console.progress() as progress,
            closing(run(items, output, question=question, config=config, options=how)) as results,
        ):
            for number, result in enumerate(results, start=1):
                counts[result.status] += 1
                counts["resumed"] += result.is_resumed
                progress("items", number, 0)
                if result.error is not None and not result.is_resumed:
                    told = f"{result.error.type}: {result.error.message}"
                    console.note(f"failed: {result.item.id}: {told}")
    except KeyboardInterrupt:
        console.note("finished items are kept: the same command goes on")
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


def _tell_estimate(
    console: Console,
    items: str | Iterator[BatchItem],
    output: str,
    question: str | None,
    config: RunConfig,
    how: BatchOptions,
) -> None:
    from tam_video.batch.estimate import estimate

    found = estimate(items, output, question=question, config=config, options=how)
    cost = "no finished run to tell the time from: run some with --limit 5 first"
    if found.seconds is not None and found.bytes is not None:
        workers = how.workers or 1
        hours = found.seconds / 3600 / workers
        cost = f"about {hours:.2f} h with {workers} worker(s), {found.bytes / 2**30:.2f} GiB"
    lines = [
        f"{found.num_items} items: {found.num_done} done, {found.num_failed} failed before, "
        f"{found.num_to_run} to run",
        f"{found.num_clips} clips, {found.clip_seconds / 3600:.3f} h of video",
        *(f"would fail: {name}: {why}" for name, why in found.problems.items()),
        cost,
    ]
    console.result(asdict(found), "\n".join(lines))


def _first(items: str, question: str | None, how: BatchOptions, limit: int) -> Iterator[BatchItem]:
    from tam_video.batch import read_items

    return islice(read_items(items, question=question, policy=how.policy), limit)


def _batch_options(options: dict[str, Any]) -> BatchOptions:
    """Take the batch's own options out of those that were given."""
    from tam_video.batch import BatchOptions, SourcePolicy
    from tam_video.errors import ConfigError
    from tam_video.video.reader import ReadLimits

    limits = {
        "max_pixels": options.pop("max_pixels"),
        "max_frames": options.pop("max_source_frames"),
        "max_seconds": options.pop("max_duration"),
    }
    engine, address = options.pop("engine"), options.pop("ray_address")
    own = {"address": address, "num_gpus": options.pop("gpus_per_worker")}
    given = {name: value for name, value in own.items() if value is not None}
    if given and engine != "ray":
        raise ConfigError("--ray-address and --gpus-per-worker need --engine ray")
    keep, fail_fast = options.pop("keep"), options.pop("fail_fast")
    max_failures = options.pop("max_failures")
    kept = {} if keep is None else {"keep": frozenset(filter(None, keep.split(",")))}
    return BatchOptions(
        workers=options.pop("workers"),
        engine=engine,
        engine_options=given,
        timeout_seconds=options.pop("timeout"),
        max_failures=0 if fail_fast else max_failures,
        retry_failed=options.pop("retry_failed"),
        shard=_shard(options.pop("shard")),
        limits=ReadLimits(**{name: value for name, value in limits.items() if value is not None}),
        policy=SourcePolicy(frozenset(options.pop("allow_protocol")), options.pop("root")),
        **kept,
    )


def _shard(text: str | None) -> tuple[int, int] | None:
    from tam_video.errors import ConfigError

    if text is None:
        return None
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal()):
        raise ConfigError(f"{text!r} is no shard", hint="--shard 1/8 to 8/8")
    return int(first), int(second)
