"""Check a real model: calibrate it, then explain and verify clips on which nothing was chosen.

    scripts/real_check Qwen/Qwen2.5-VL-3B-Instruct

The result is one JSON file: model, versions, device, verdict, the profile with its curves over the
layers and its held-out scores, the checked words, and the time and memory of each step. It has no
names of users or machines and no paths; a local checkpoint has the last component of its path.

The profile is stored as by `tam-video calibrate`, and a check that was stopped resumes the
calibration. The checked words are the colours and nouns of true captions of test clips, from the
worlds that the model understands (`benchmarks/word_checks.py`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import tam_video
from benchmarks.performance.measurement import machine, reset_peak, resident_peak
from benchmarks.word_checks import Checked, check, falls_most, names_of, rate_of_true_names
from tam_video.calibration.worlds import find_world
from tam_video.config import RunConfig
from tam_video.datasets.questions import caption
from tam_video.datasets.worlds import write_scene
from tam_video.errors import ConfigError, OutputExistsError, TamVideoError
from tam_video.models import ALIASES, load_model
from tam_video.models.inference import TransformersModel
from tam_video.pipeline import package_versions
from tam_video.profiles.profile import CalibratedProfile, write_profile
from tam_video.workspace.files import atomic_write

FORMAT = 1

Costs = dict[str, dict[str, float]]


@contextmanager
def step(name: str, costs: Costs) -> Iterator[None]:
    """Record the seconds and the peak memory of a step in `costs`, in MB, and print them."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    gpus = range(torch.cuda.device_count())
    reset_peak()
    for gpu in gpus:
        torch.cuda.reset_peak_memory_stats(gpu)
    start = time.perf_counter()
    yield
    costs[name] = {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": round(resident_peak() / 1e6, 1),
        "peak_gpu_mb": round(sum(map(torch.cuda.max_memory_allocated, gpus)) / 1e6, 1),
    }
    print(f"{name}: {costs[name]}", file=sys.stderr, flush=True)


def report(stage: str, done: int, total: int) -> None:
    """Print the progress of a stage: every tenth part of it."""
    if done == total or done % max(1, total // 10) == 0:
        print(f"  {stage}: {done} of {total}", file=sys.stderr, flush=True)


def public_name(name: str) -> str:
    """Return the name of a model as it may be published: of a local folder, the last component."""
    if name in ALIASES or not Path(name).expanduser().is_dir():
        return name
    return Path(name).expanduser().absolute().name


def check_words(
    model: TransformersModel, profile: CalibratedProfile, num_clips: int, *, num_controls: int
) -> list[dict[str, Any]]:
    """Explain the true captions of test clips, and check their colours and nouns.

    The clips are taken in turn from the worlds that the calibration used; none without a world.
    """
    worlds = profile.used_worlds
    config = RunConfig(model=model.name, profile=profile.as_document())
    rows: list[dict[str, Any]] = []
    for index in range(num_clips if worlds else 0):
        world, number = worlds[index % len(worlds)], index // len(worlds)
        clip = find_world(world).make(profile.seed, number, split="test")
        names = tuple(name for each in range(len(clip.objects)) for name in names_of(clip, each))
        with tempfile.TemporaryDirectory() as folder:
            path = write_scene(clip, Path(folder) / "clip.mp4")
            words = check(
                path, caption(clip), names, model=model, config=config, controls=num_controls
            )
        rows += [
            {"world": world, "number": number}
            | asdict(Checked(text, True, word.probability, falls_most(word)))
            | {"hidden": word.hidden, "controls": word.controls}
            for text, word in words.items()
        ]
        report("verify", index + 1, num_clips)
    return rows


def document_of(
    model: TransformersModel, profile: CalibratedProfile, words: list[dict[str, Any]], costs: Costs
) -> dict[str, Any]:
    """Return the content of the file. `profile` has the public name of the model."""
    checked = [
        Checked(row["word"], row["is_true"], row["probability"], row["falls_most"]) for row in words
    ]
    is_gpu = model.device.startswith("cuda")
    return {
        "format": FORMAT,
        "model": {
            "name": profile.model,
            "revision": model.revision,
            "commit": getattr(model.checkpoint.model.config, "_commit_hash", None),
            "class": type(model.checkpoint.model).__name__,
        },
        "versions": package_versions() | profile.versions,
        "device": torch.cuda.get_device_name(model.device) if is_gpu else machine()["cpu"],
        "dtype": model.dtype,
        "verdict": profile.verdict,
        "profile": profile.as_document(),
        "true_names_fall_most": rate_of_true_names(checked).as_dict(),
        "words": words,
        "steps": costs,
    }


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments, and check that the files can be written before anything is computed.

    Raises:
        ConfigError: a number is too small.
        OutputExistsError: a file is there, and --force is not given.
    """
    parser = argparse.ArgumentParser(
        prog="real_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="hub id ORG/NAME, checkpoint folder, or tiny")
    add("--clips", type=int, default=20, help="test clips to explain and verify (20)")
    add("--controls", type=int, default=8, help="control regions per word (8)")
    add("--calibration-clips", type=int, default=60, help="clips per world, at least 10 (60)")
    add("--world", dest="worlds", action="append", default=[], help="as of tam-video calibrate")
    add("--seed", type=int, default=0, help="seed of the clips (0)")
    add("--out", type=Path, help="file to write (real_check-MODEL.json)")
    add("--profile-out", type=Path, help="also write the profile to this file")
    add("--force", action="store_true", help="overwrite the files")
    add("--revision", help="branch, tag or commit of a hub id")
    add("--dtype", default="auto", help="auto, float32, float16 or bfloat16 (auto)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    add("--device-map", help="placement over several devices, such as auto, instead of --device")
    options = parser.parse_args(arguments)
    least = {"clips": 1, "controls": 1, "calibration_clips": 10, "seed": 0}
    for name, limit in least.items():
        if (value := getattr(options, name)) < limit:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag} {value} is too small", hint=f"pass at least {flag} {limit}")
    if options.out is None:
        name = re.sub(r"[^\w.]+", "-", Path(public_name(options.model)).name)
        options.out = Path(f"real_check-{name}.json")
    for path in (options.out, options.profile_out):
        if path is not None and path.exists() and not options.force:
            raise OutputExistsError(f"{path} exists", hint="pass --force to overwrite it")
    return options


def run(options: argparse.Namespace) -> None:
    """Do the steps, and write the files.

    Raises:
        TamVideoError: the model can't be loaded, fails, or a file can't be written.
    """
    costs: Costs = {}
    with step("load", costs):
        model = load_model(
            options.model,
            revision=options.revision,
            dtype=options.dtype,
            device=options.device,
            device_map=options.device_map,
        )
    with step("calibrate", costs):
        profile = tam_video.calibrate(
            model,
            worlds=options.worlds,
            num_clips=options.calibration_clips,
            seed=options.seed,
            progress=report,
            notice=lambda text: print(text, file=sys.stderr),
        ).profile
    with step("explain and verify", costs):
        words = check_words(model, profile, options.clips, num_controls=options.controls)
    public = replace(profile, model=public_name(profile.model))
    document = document_of(model, public, words, costs)
    document |= {"clips": options.clips, "controls": options.controls}
    atomic_write(
        options.out, json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    )
    if options.profile_out is not None:
        write_profile(public, options.profile_out)
    print(profile.sentence)
    print(f"falls more than at every control: {document['true_names_fall_most']}")
    print(options.out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check. Return the exit code."""
    try:
        run(parsed(arguments))
    except TamVideoError as exc:
        print(f"error: {exc.message}", file=sys.stderr)
        if exc.hint:
            print(f"hint: {exc.hint}", file=sys.stderr)
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
