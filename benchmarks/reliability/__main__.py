"""python -m benchmarks.reliability kill|fuzz|ray|scale --folder DIR: checks of docs/reliability.md.

Each writes a JSON file with its figures into the folder, as it goes on. `kill` and `ray` run
`tam-video batch` with the embedded model; 200 items take about an hour of one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Run one check and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=["kill", "fuzz", "ray", "scale"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kills-each", type=int, default=25, help="in one batch")
    parser.add_argument("--files", type=int, default=2000, help="mutated files")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.check == "kill":
        from benchmarks.reliability.kill import kill_test

        figures = kill_test(
            args.folder,
            count=args.items,
            kills=args.kills,
            kills_each=args.kills_each,
            seed=args.seed,
        )
    elif args.check == "fuzz":
        from benchmarks.reliability.fuzz import fuzz_media

        figures = fuzz_media(args.folder, count=args.files, seed=args.seed)
    elif args.check == "ray":
        from benchmarks.reliability.on_ray import ray_test

        figures = ray_test(args.folder, count=args.items)
    else:
        from benchmarks.reliability.scale import scale_test

        figures = scale_test(args.folder, count=args.items)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
