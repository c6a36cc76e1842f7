"""The command line: ``python -m edgeshard info | check | repair | count | scroll | recall PATH``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

import edgeshard
from edgeshard import EdgeShard, EdgeShardError


def info(options: argparse.Namespace) -> int:
    """Print numbers of segments, points and vectors, and the payload indexes."""
    with EdgeShard.load(options.path, read_only=True) as shard:
        numbers = shard.info()
        print(f"points    {numbers.points_count}")
        print(f"segments  {numbers.segments_count}")
        print(f"indexed   {numbers.indexed_vectors_count}")
        for name, params in {**shard.config.vectors, **shard.config.sparse_vectors}.items():
            print(f"vector    {name or '(unnamed)'}: {params!r}")
        for field, schema in numbers.payload_schema.items():
            print(f"index     {field}: {schema!r}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Look for damage; 1 if there is any."""
    found = EdgeShard.check(options.path, "fast" if options.fast else "full")
    for line in found:
        print(line)
    print("damaged" if found else "no damage found")
    return 1 if found else 0


def repair(options: argparse.Namespace) -> int:
    """Repair what is damaged; 1 if something is lost, or still wrong."""
    done = EdgeShard.repair(options.path)
    for number, line in enumerate(done, 1):
        print(f"{number}. {line}")
    if not done:
        print("nothing to repair")
    return 1 if any(line.startswith("still wrong") or " LOST" in line for line in done) else 0


def count(options: argparse.Namespace) -> int:
    """Print the number of points."""
    with EdgeShard.load(options.path, read_only=True) as shard:
        print(shard.count(edgeshard.CountRequest()))
    return 0


def scroll(options: argparse.Namespace) -> int:
    """Print points as JSON, one a line."""
    with EdgeShard.load(options.path, read_only=True) as shard:
        request = edgeshard.ScrollRequest(limit=options.limit, with_payload=True, with_vector=options.vectors)
        for record in shard.scroll(request)[0]:
            point: dict[str, object] = {
                "id": record.id if isinstance(record.id, int) else str(record.id),
                "payload": record.payload,
            }
            if options.vectors:
                point["vector"] = record.vector
            print(json.dumps(point, default=_plain, ensure_ascii=False))
    return 0


def _plain(value: object) -> object:
    """What JSON has no form for: sparse vectors as Qdrant's REST interface writes them, arrays as lists."""
    if isinstance(value, edgeshard.SparseVector):
        return {"indices": list(value.indices), "values": list(value.values)}
    return value.tolist() if isinstance(value, np.ndarray) else repr(value)


def recall(options: argparse.Namespace) -> int:
    """Print how much of the exact answer searches for stored vectors find."""
    with EdgeShard.load(options.path, read_only=True) as shard:
        print(
            shard.measure_recall(
                options.sample, using=options.using, limit=options.limit, ef=options.ef, seed=options.seed
            )
        )
    return 0


def _count(text: str) -> int:
    """A whole number that is not negative."""
    number = int(text)
    if not 0 <= number < 1 << 63:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 2^63 - 1, got {text}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("edgeshard", description="Look at, check and repair shards.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "info": info, "check": check, "repair": repair, "count": count, "scroll": scroll,
        "recall": recall,
    }  # fmt: skip
    for name, action in actions.items():
        command = commands.add_parser(name, help=action.__doc__)
        command.add_argument("path", metavar="PATH", help="directory of the shard")
        command.set_defaults(action=action)
        if name == "check":
            command.add_argument("--fast", action="store_true", help="sizes, small files and counts only")
        if name == "scroll":
            command.add_argument("--limit", type=_count, default=10, help="how many points (default 10)")
            command.add_argument("--vectors", action="store_true", help="with their vectors")
        if name == "recall":
            command.add_argument("--sample", type=_count, default=100, help="how many vectors (default 100)")
            command.add_argument("--limit", type=_count, default=10, help="how many points per search (default 10)")
            command.add_argument("--ef", type=_count, default=None, help="beam of the graph (default: as configured)")
            command.add_argument("--using", default=None, metavar="NAME", help="of the vectors (default: unnamed)")
            command.add_argument("--seed", type=_count, default=42, help="of the sample (default 42)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0, 1 for damage, 2 for an error, 141 if nobody reads what it prints."""
    options = _parser().parse_args(arguments)
    try:
        code = int(options.action(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads has seen enough; what is left in the buffer must not fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (EdgeShardError, OSError) as error:
        print(f"edgeshard: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
