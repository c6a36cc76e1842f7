"""Pictures of a shard: how recall and time depend on the beam, and what takes room on the disk.

Needs the extra ``edgeshard[plot]`` (matplotlib). Each function writes one file, whose ending says the format: ``.svg``,
``.png`` or ``.pdf``. No window is opened. Imports the public API only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshard import DiskUsage, RecallReport, ValidationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_recall", "plot_sizes"]

BLUE, ORANGE, GREY = "#2a6fb0", "#c4591a", "#666666"
MEGABYTE = 1e6


def plot_recall(reports: Sequence[RecallReport], file: str | os.PathLike[str]) -> Path:
    """Draw recall and time per search over the beam ``ef``.

    Args:
        reports: what ``measure_recall`` returned, once per beam; of several for one beam the last counts.
        file: what to write.

    Returns:
        The path of the file.

    Raises:
        ValidationError: there is no report of a search of a graph.
        ImportError: matplotlib is not installed; the message says how to install it.
    """
    by_beam = {report.ef: report for report in reports if report.ef is not None}
    if not by_beam:
        raise ValidationError("there is nothing to draw: no segment has a graph, so every search is exact; optimize()")
    beams = sorted(by_beam)
    kept = [by_beam[beam] for beam in beams]
    figure = _figure(6.4, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    low = [report.quantiles[0.05] for report in kept]
    upper.fill_between(beams, low, [1.0] * len(beams), color=BLUE, alpha=0.12, label="95 % of the queries")
    upper.plot(beams, [report.recall for report in kept], "o-", color=BLUE, label="mean")
    upper.set_ylabel(f"recall@{kept[-1].limit}")
    upper.set_ylim(top=1.005)
    upper.legend(loc="lower right", frameon=False)
    lower.plot(beams, [report.approximate_ms for report in kept], "o-", color=ORANGE, label="with the graph")
    exact = sorted(report.exact_ms for report in kept)[len(kept) // 2]
    lower.axhline(exact, color=GREY, linestyle="--", label="exact")
    lower.set_ylim(bottom=0)
    lower.set_ylabel("median time, ms")
    lower.set_xlabel("beam (ef)")
    lower.legend(loc="best", frameon=False)
    lower.set_xscale("log", base=2)
    lower.set_xticks(beams, [str(beam) for beam in beams])
    lower.minorticks_off()
    return _save(figure, (upper, lower), file)


def plot_sizes(usage: Sequence[DiskUsage], file: str | os.PathLike[str]) -> Path:
    """Draw what each kind of file takes on the disk.

    Args:
        usage: what ``disk_usage`` returned.
        file: what to write.

    Returns:
        The path of the file.

    Raises:
        ValidationError: there is nothing to draw.
        ImportError: matplotlib is not installed; the message says how to install it.
    """
    if not usage:
        raise ValidationError("there is nothing to draw: no files")
    kinds = [entry.kind for entry in usage][::-1]
    sizes = [entry.disk_bytes / MEGABYTE for entry in usage][::-1]
    figure = _figure(6.4, 1.2 + 0.35 * len(kinds))
    axes = figure.subplots()
    axes.bar_label(axes.barh(kinds, sizes, color=BLUE), fmt="%.3g", padding=3)
    axes.set_xlabel(f"MB on the disk, {sum(sizes):.3g} in all")
    axes.margins(x=0.12)
    return _save(figure, (axes,), file)


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, without the global state of pyplot."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'edgeshard[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, axes: Sequence[Any], file: str | os.PathLike[str]) -> Path:
    path = Path(file)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ValidationError(f"cannot draw {os.fspath(file)}: the name must end in .svg, .png or .pdf")
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
        each.set_axisbelow(True)
    figure.savefig(path, dpi=150)
    return path
