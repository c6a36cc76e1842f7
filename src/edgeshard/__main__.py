"""The command line: ``python -m edgeshard COMMAND PATH``; ``--help`` lists the commands."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np

import edgeshard
from edgeshard import DiskUsage, EdgeShard, EdgeShardError, RecallReport, disk_usage


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


def sizes(options: argparse.Namespace) -> int:
    """Print what each kind of file takes on the disk; with --plot, draw it."""
    usage = disk_usage(options.path)
    if options.json:
        for kind in usage:
            names = ("kind", "files", "size_bytes", "disk_bytes")
            print(json.dumps({name: getattr(kind, name) for name in names}))
    else:
        whole = [sum(getattr(kind, name) for kind in usage) for name in ("files", "size_bytes", "disk_bytes")]
        print(f"{'':<20}{'files':>7}{'length, MB':>14}{'on disk, MB':>14}")
        for kind in [*usage, DiskUsage("in all", *whole)]:
            print(f"{kind.kind:<20}{kind.files:>7}{kind.size_bytes / 1e6:>14.2f}{kind.disk_bytes / 1e6:>14.2f}")
    if options.plot:
        from edgeshard.plot import plot_sizes

        plot_sizes(usage, options.plot)
    return 0


def check(options: argparse.Namespace) -> int:
    """Look for damage; 1 if there is any."""
    with _Bar() as bar:
        found = EdgeShard.check(options.path, "fast" if options.fast else "full", on_progress=bar.show)
    for line in found:
        print(line)
    print("damaged" if found else "no damage found")
    return 1 if found else 0


def repair(options: argparse.Namespace) -> int:
    """Repair what is damaged; 1 if something is lost, or still wrong."""
    with _Bar() as bar:
        done = EdgeShard.repair(options.path, on_progress=bar.show)
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
        ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()  # as escapes of JSON
        request = edgeshard.ScrollRequest(limit=options.limit, with_payload=True, with_vector=options.vectors)
        for record in shard.scroll(request)[0]:
            point: dict[str, object] = {
                "id": record.id if isinstance(record.id, int) else str(record.id),
                "payload": record.payload,
            }
            if options.vectors:
                point["vector"] = record.vector
            print(json.dumps(point, default=_plain, ensure_ascii=ascii_only))
    return 0


def _plain(value: object) -> object:
    """What JSON has no form for: sparse vectors as Qdrant's REST interface writes them, arrays as lists."""
    if isinstance(value, edgeshard.SparseVector):
        return {"indices": list(value.indices), "values": list(value.values)}
    return value.tolist() if isinstance(value, np.ndarray) else repr(value)


def recall(options: argparse.Namespace) -> int:
    """Print how much of the exact answer searches find; with several beams as a table, with --plot also as curves."""
    with EdgeShard.load(options.path, read_only=True) as shard:
        reports = []
        with _Bar() as bar:
            for place, ef in enumerate(options.ef):
                bar.show("beams", place / len(options.ef))
                reports.append(
                    shard.measure_recall(
                        options.sample, using=options.using, limit=options.limit, ef=ef, seed=options.seed
                    )
                )
    if options.json:
        for report in reports:
            print(json.dumps({name: getattr(report, name) for name in REPORTED}))
    elif len(reports) == 1:
        print(reports[0])
    else:
        print("\n".join(_table(reports)))
    if options.plot:
        from edgeshard.plot import plot_recall

        plot_recall(reports, options.plot)
    return 0


REPORTED = ("queries", "limit", "ef", "recall", "minimum", "quantiles", "approximate_ms", "exact_ms")


def _table(reports: Sequence[RecallReport]) -> Iterable[str]:
    """Lines of a table with a row per beam."""
    yield f"{reports[0].queries} queries, recall@{reports[0].limit}"
    yield f"{'ef':>8}{'recall':>9}{'minimum':>9}{'5%':>8}{'ms':>9}{'exact ms':>10}"
    for report in reports:
        beam = "none" if report.ef is None else report.ef
        yield (
            f"{beam:>8}{report.recall:>9.4f}{report.minimum:>9.3f}{report.quantiles[0.05]:>8.3f}"
            f"{report.approximate_ms:>9.3f}{report.exact_ms:>10.3f}"
        )


class _Bar:
    """How far a command is, in one line of a terminal that is cleared at the end; nothing elsewhere."""

    _CELLS = 30

    def __init__(self) -> None:
        self._shown = ""
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(self, step: str, share: float) -> None:
        """Show the share of a step that is done, 0 to 1."""
        done = min(int(share * self._CELLS), self._CELLS)
        line = f"[{'#' * done}{'.' * (self._CELLS - done)}] {step}"
        if self._terminal and line != self._shown:
            self._shown = line
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _beams(text: str) -> list[int | None]:
    """Numbers with commas between them."""
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    """A whole number that is not negative."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if not 0 <= number < 1 << 63:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 2^63 - 1, got {text}")
    return number


def _picture(text: str) -> str:
    """A file that can be drawn to, checked before anything is measured."""
    if not text.lower().endswith((".svg", ".png", ".pdf")):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .svg, .png or .pdf, got {text}")
    folder = os.path.dirname(text)
    if folder and not os.path.isdir(folder):
        raise argparse.ArgumentTypeError(f"there is no directory {folder}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "edgeshard",
        description="Look at, measure, check and repair shards.",
        epilog="Exit codes: 0; 1 if there is damage, or something is lost; 2 for an error; "
        "130 after Ctrl-C; 141 if nobody reads what is printed. All commands but repair only read.",
    )
    parser.add_argument("--version", action="version", version=f"edgeshard {edgeshard.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "info": info, "sizes": sizes, "check": check, "repair": repair, "count": count, "scroll": scroll,
        "recall": recall,
    }  # fmt: skip
    for name, action in actions.items():
        command = commands.add_parser(name, help=action.__doc__, description=action.__doc__)
        command.add_argument("path", metavar="PATH", help="directory of the shard")
        command.set_defaults(action=action)
        if name == "check":
            command.add_argument("--fast", action="store_true", help="sizes, small files and counts only")
        if name == "scroll":
            command.add_argument("--limit", type=_count, default=10, metavar="N", help="how many points (default 10)")
            command.add_argument("--vectors", action="store_true", help="with their vectors")
        if name == "recall":
            _add_options_of_recall(command)
        if name in ("sizes", "recall"):
            command.add_argument("--json", action="store_true", help="one JSON object a line")
            command.add_argument(
                "--plot", type=_picture, metavar="FILE", help="draw it: .svg, .png or .pdf (extra [plot])"
            )
    return parser


def _add_options_of_recall(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--sample", type=_count, default=100, metavar="N", help="how many stored vectors to search for (default 100)")
    add("--limit", type=_count, default=10, metavar="N", help="how many points per search (default 10)")
    add("--ef", type=_beams, default=[None], metavar="N[,N...]", help="beams of the graph (default: as configured)")
    add("--using", default=None, metavar="NAME", help="name of the vectors (default: the unnamed ones)")
    add("--seed", type=_count, default=42, metavar="N", help="of the choice of vectors (default 42)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: see the end of ``--help``."""
    options = _parser().parse_args(arguments)
    try:
        code = int(options.action(options))
        if sys.stdout is not None:  # None if it was closed
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads has seen enough; what is left in the buffer must not fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except (EdgeShardError, OSError, ImportError) as error:
        print(f"edgeshard: {error}", file=sys.stderr)
        return 2


def run() -> int:
    """:func:`main` as a program: what the encoding of the output does not have is printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return main()


if __name__ == "__main__":
    sys.exit(run())
