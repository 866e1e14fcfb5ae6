"""Ask a model about the clips of all worlds, and store the evidence of each clip when it is known.

A calibration that was stopped goes on in the same folder: `clips.jsonl` has a line for each
finished clip, and `clips/` has the evidence of the clips that are measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tam_video.calibration.evidence import AskedClip, ask_clip
from tam_video.calibration.evidence_file import evidence_bytes, read_evidence
from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.models.inference import TransformersModel
from tam_video.profiles.identity import CheckpointIdentity
from tam_video.stages import StageProgress
from tam_video.workspace.append_log import json_line
from tam_video.workspace.files import atomic_write
from tam_video.workspace.workspace import Identity, Workspace, WorkspaceKind

LOG_FILE = "clips.jsonl"
CLIPS_FOLDER = "clips"
EVIDENCE = WorkspaceKind(
    "a calibration",
    "settings.json",
    own=(LOG_FILE, CLIPS_FOLDER),
    version=("format", 1),
    has_force=False,
    option="--evidence DIR",
)


@dataclass(frozen=True, slots=True)
class ClipLine:
    """A line of the log: a finished clip.

    Attributes:
        world: its world.
        number: its number in the world.
        answers: whether each question was answered correctly.
        sha256: hash of the file with its evidence; None if the clip is not measured.
    """

    world: str
    number: int
    answers: tuple[bool, ...]
    sha256: str | None


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """The open folder of a calibration.

    Attributes:
        workspace: the locked folder.
        done: finished clips whose files are intact, by world and number.
    """

    workspace: Workspace
    done: dict[tuple[str, int], ClipLine] = field(default_factory=dict)

    def path(self, world: str, number: int) -> Path:
        """Return the path of the file with a clip's evidence."""
        return self.workspace.folder / CLIPS_FOLDER / f"{world}-{number:04d}.npz"

    def find(self, world: str, number: int, *, only_understood: bool) -> AskedClip | None:
        """Return a finished clip, or None if the clip or its evidence is still to be computed."""
        line = self.done.get((world, number))
        if line is None or (line.sha256 is None and not only_understood):
            return None
        clip = AskedClip(number, line.answers)
        if only_understood and not clip.is_understood:
            return clip
        return replace(clip, evidence=read_evidence(self.path(world, number)))

    def add(self, world: str, clip: AskedClip) -> AskedClip:
        """Store a clip. Return it with its scores in the file, no longer in memory.

        Raises:
            ExportError: it cannot be written.
        """
        digest, stored = None, clip
        if clip.evidence is not None:
            content, path = evidence_bytes(clip.evidence), self.path(world, clip.number)
            digest = hashlib.sha256(content).hexdigest()
            atomic_write(path, content)
            stored = replace(clip, evidence=read_evidence(path))
        line = ClipLine(world, clip.number, clip.answers, digest)
        self.workspace.log(LOG_FILE).append([json_line(asdict(line))])
        self.done[world, clip.number] = line
        return stored

    def is_intact(self, line: ClipLine) -> bool:
        """Return whether the file of a finished clip has the content that was written."""
        if line.sha256 is None:
            return True
        try:
            content = self.path(line.world, line.number).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == line.sha256


@contextmanager
def open_evidence(
    folder: Path, identity: Identity, *, starts_over: bool = False
) -> Iterator[EvidenceFolder]:
    """Start or resume a calibration in a folder, and lock the folder inside the `with` block.

    Clips whose line or file is damaged count as not done.

    Args:
        folder: a new or empty folder, or that of an earlier calibration.
        identity: what the evidence depends on.
        starts_over: remove the evidence of other settings instead of refusing the folder.

    Raises:
        OutputExistsError: the folder contains something else, or other settings.
        RunFolderError: its settings file is damaged.
        ConfigError: another process works there.
        ExportError: it cannot be written.
    """
    workspace = Workspace(folder, EVIDENCE)
    workspace.acquire()
    try:
        try:
            workspace.begin(identity)
        except (OutputExistsError, RunFolderError):
            if not starts_over:
                raise
            workspace.begin(identity, force=True)
        opened = EvidenceFolder(workspace)
        for _, line in workspace.log(LOG_FILE).records(_parsed):
            opened.done[line.world, line.number] = line
        for key, line in list(opened.done.items()):
            if not opened.is_intact(line):
                del opened.done[key]
        yield opened
    finally:
        workspace.release()


def evidence_identity(
    model: TransformersModel,
    checkpoint: CheckpointIdentity,
    *,
    seed: int,
    versions: dict[str, str],
) -> Identity:
    """Return what the evidence of a clip depends on, except for its world and number."""
    return {
        "checkpoint": asdict(checkpoint),
        "seed": seed,
        "device": model.device,
        "attn_implementation": getattr(model.checkpoint.model.config, "_attn_implementation", None),
        "versions": versions,
    }


def gather(
    model: TransformersModel,
    worlds: Sequence[str],
    num_clips: int,
    *,
    seed: int,
    folder: EvidenceFolder,
    least: float | None = None,
    progress: StageProgress | None = None,
) -> dict[str, list[AskedClip]]:
    """Run the model on the clips of the worlds that are not done yet, and store them.

    Args:
        model: the model.
        worlds: names of the worlds.
        num_clips: clips per world.
        seed: seed of the clips.
        folder: folder of the evidence.
        least: share of correct answers that a world needs. Clips with a wrong answer are not
            measured, and a world ends as soon as it cannot reach the share. None: all clips of all
            worlds are measured.
        progress: called after each clip.

    Returns:
        The asked clips of each world, with their scores in files.
    """
    asked: dict[str, list[AskedClip]] = {}
    only_understood = least is not None
    for name in worlds:
        clips = asked.setdefault(name, [])
        for number in range(num_clips):
            clip = folder.find(name, number, only_understood=only_understood)
            if clip is None:
                new = ask_clip(
                    model, name, seed=seed, number=number, only_understood=only_understood
                )
                clip = folder.add(name, new)
            clips.append(clip)
            if progress is not None:
                progress(name, number + 1, num_clips)
            if least is not None and _best_share(clips, num_clips) < least:
                break
    return asked


def count_done(folder: EvidenceFolder, worlds: Sequence[str], num_clips: int) -> int:
    """Count the finished clips among the first `num_clips` clips of each world."""
    return sum(world in worlds and number < num_clips for world, number in folder.done)


def correct_share(clips: Sequence[AskedClip]) -> float:
    """Return the share of correct answers."""
    answers = _answers(clips)
    return sum(answers) / len(answers)


def _answers(clips: Sequence[AskedClip]) -> list[bool]:
    return [answer for clip in clips for answer in clip.answers]


def _best_share(clips: Sequence[AskedClip], num_clips: int) -> float:
    """Return the share of correct answers if all answers about the remaining clips were correct."""
    answers = _answers(clips)
    remaining = (num_clips - len(clips)) * len(clips[-1].answers)
    return (sum(answers) + remaining) / (len(answers) + remaining)


def _parsed(record: Any) -> ClipLine:
    """Parse a line of the log.

    Raises:
        ValueError, KeyError, TypeError: the line is damaged.
    """
    line = ClipLine(**record)
    return ClipLine(line.world, int(line.number), tuple(map(bool, line.answers)), line.sha256)
