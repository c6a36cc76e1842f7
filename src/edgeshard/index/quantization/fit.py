"""Fitting the parameters of each method to the rows they will compress.

Every ``fit_*`` returns what ``quantized.meta.json`` holds beside ``vector_parameters``. Only rows that hold a real
vector count. In an appendable segment nothing is known yet: ``rows`` is None there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError
from edgeshard.index.quantization.spec import Rows, VectorSpec
from edgeshard.storage.convert import EUCLID, MANHATTAN

F32 = np.float32
SCALAR_SAMPLE, PRODUCT_SAMPLE = 5000, 10_000
SCALAR_MIN_SAMPLE = 127
SCALAR_LEVELS = 127
NARROWINGS = np.geomspace(1, 0.25, 32)
"""How far from the middle the ends of narrower ranges are that a range of int8 codes is chosen from."""
CENTROIDS = 256
KMEANS_ITERATIONS = 30
"""Lloyd steps at most; Qdrant allows 100, the last ones move hardly anything."""
GROUP = {"x4": 1, "x8": 2, "x16": 4, "x32": 8, "x64": 16}
"""Components per byte of product codes."""
TURBO_SAMPLE = {1: 2048, 2: 4096, 4: 8192}
TURBO_LARGEST_LEVEL = {1: 0.7978846, 2: 1.510, 4: 2.733}
ENCODINGS = {"one_bit": "OneBit", "two_bits": "TwoBits", "one_and_half_bits": "OneAndHalfBits"}
QUERY_ENCODINGS = {"scalar4bits": "Scalar4bits", "scalar8bits": "Scalar8bits"}
F32_MAX = float(np.finfo(F32).max)


def fit(quantization: dict[str, Any], spec: VectorSpec, rows: Rows | None) -> dict[str, Any]:
    """Parameters for a configuration ``{method: options}``.

    Raises:
        ValidationError: a method that is not known.
    """
    method, options = next(iter(quantization.items()))
    try:
        fit_method = _FITS[method]
    except KeyError:
        raise ValidationError(f"quantization {method!r} is not known: use one of {', '.join(_FITS)}") from None
    return fit_method(options, spec, rows)


def shortest(values: npt.NDArray[np.float32]) -> list[float]:
    """float32 numbers as the doubles with the fewest digits that round back to them."""
    return [float(text) for text in values.astype(F32).astype(str).tolist()]


def fit_scalar(options: dict[str, Any], spec: VectorSpec, rows: Rows | None) -> dict[str, Any]:
    """Range of the components, without the tails a quantile cuts off."""
    low, high = _scalar_range(options.get("quantile"), rows)
    alpha = F32(F32(high - low) / F32(SCALAR_LEVELS))
    multiplier = alpha * alpha
    if spec.distance == EUCLID:
        multiplier = F32(2) * alpha * alpha
    elif spec.distance == MANHATTAN:
        multiplier = -alpha
    parameters = shortest(np.array([alpha, low, multiplier], F32))
    keys = ("alpha", "offset", "multiplier")
    return {"actual_dim": -(-spec.size // 16) * 16, **dict(zip(keys, parameters, strict=True))}


def _scalar_range(quantile: float | None, rows: Rows | None) -> tuple[np.float32, np.float32]:
    if rows is None:
        return F32(0), F32(0)
    if quantile is not None and quantile < 1:
        sample = rows.sample(SCALAR_SAMPLE)
        if len(sample) >= SCALAR_MIN_SAMPLE:
            values = sample.reshape(-1)
            count = len(values)
            cut = max(1, min((count - 1) // 2, int(F32(len(sample)) * (F32(1) - F32(quantile)) / F32(2))))
            parts = np.partition(values, (cut + 1, count - cut - 1))
            low, high = parts[cut + 1], parts[count - cut - 1]
            return _least_error(values, low, high) if rows.present_count() > SCALAR_SAMPLE else (low, high)
    low, high = F32(np.inf), F32(-np.inf)
    for block, present in rows.blocks():
        if present.any():
            low, high = min(low, block[present].min()), max(high, block[present].max())
    return (low, high) if low <= high else (F32(0), F32(0))


def _least_error(values: npt.NDArray[np.float32], low: np.float32, high: np.float32) -> tuple[np.float32, np.float32]:
    """The range within ``low`` and ``high`` whose codes are closest to the values, by their mean squared error.

    What is cut off is wrong by how far it lies outside, all else by up to half a step, evenly spread. Where a range
    follows from a random sample anyway, nobody can expect a particular one.
    """
    middle = values.mean(dtype=np.float64)
    lows, highs = (middle + (float(end) - middle) * NARROWINGS for end in (low, high))
    below, above = values[values < lows[-1]].astype(np.float64), values[values > highs[-1]].astype(np.float64)
    cut_low = np.array([np.square(np.maximum(end - below, 0)).sum() for end in lows])
    cut_high = np.array([np.square(np.maximum(above - end, 0)).sum() for end in highs])
    steps = (highs - lows[:, None]) / SCALAR_LEVELS
    error = steps**2 / 12 * len(values) + cut_low[:, None] + cut_high
    first, second = np.unravel_index(np.argmin(error), error.shape)
    return F32(lows[first]), F32(highs[second])


def groups(compression: str, size: int) -> npt.NDArray[np.uint32]:
    """Where the groups of components start, and ``size``."""
    return np.append(np.arange(0, size, GROUP[compression]), size).astype(np.uint32)


def fit_product(options: dict[str, Any], spec: VectorSpec, rows: Rows | None) -> dict[str, Any]:
    """256 centroids per group of components; the vectors themselves if there are no more."""
    bounds = groups(options["compression"], spec.size)
    centroids = np.zeros((CENTROIDS, spec.size), F32)
    if rows is not None:
        sample = rows.sample(PRODUCT_SAMPLE)
        if len(sample) <= CENTROIDS:
            centroids[: len(sample)] = sample
        else:
            order = np.random.default_rng(1).permutation(len(sample))
            centroids = _native.train_centroids(np.ascontiguousarray(sample[order]), bounds, KMEANS_ITERATIONS, 1)
    division = [{"start": start, "end": end} for start, end in zip(bounds.tolist(), bounds[1:].tolist(), strict=False)]
    return {"centroids": [shortest(row) for row in centroids], "vector_division": division}


def fit_binary(options: dict[str, Any], spec: VectorSpec, rows: Rows | None) -> dict[str, Any]:
    """Statistics of the components, where an encoding needs them."""
    encoding = ENCODINGS[options.get("encoding") or "one_bit"]
    query = QUERY_ENCODINGS.get(options.get("query_encoding") or "default")
    meta: dict[str, Any] = {}
    if encoding != "OneBit":
        meta["encoding"] = encoding
    if query is not None:
        meta["query_encoding"] = query
    if meta:
        meta["vector_stats"] = {"elements_stats": _statistics(spec.size, rows)}
    return meta


def _statistics(size: int, rows: Rows | None) -> list[dict[str, float]]:
    """Smallest, largest, mean and standard deviation of every component."""
    low, high = np.full(size, F32_MAX, F32), np.full(size, -F32_MAX, F32)
    count, mean, squares = 0, np.zeros(size), np.zeros(size)
    for block, present in [] if rows is None else rows.blocks():
        some = block[present].astype(np.float64)
        if not len(some):
            continue
        low, high = np.minimum(low, some.min(0)), np.maximum(high, some.max(0))
        block_mean = some.mean(0)
        delta, total = block_mean - mean, count + len(some)
        squares += ((some - block_mean) ** 2).sum(0) + delta**2 * count * len(some) / total
        mean += delta * len(some) / total
        count = total
    deviation = np.sqrt(squares / (count - 1)) if count > 1 else np.zeros(size)
    columns = [shortest(column.astype(F32)) for column in (low, high, mean, deviation)]
    return [dict(zip(("min", "max", "mean", "stddev"), row, strict=True)) for row in zip(*columns, strict=True)]


def turbo_padded(bits: str, size: int) -> int:
    """Coded components: enough to fill whole bytes, half as many again for ``bits1_5``."""
    if bits == "bits1_5":
        return -(-(size * 3 // 2) // 8) * 8
    multiple = {"bits1": 8, "bits2": 4, "bits4": 2, "bits8": 1}[bits]
    return -(-size // multiple) * multiple


def turbo_code_bits(bits: str) -> int:
    """Bits of one code."""
    return 1 if bits == "bits1_5" else int(bits[4:])


def fit_turbo(options: dict[str, Any], spec: VectorSpec, rows: Rows | None) -> dict[str, Any]:
    """Shift and scale of every rotated component that make its distribution the one the levels are for."""
    bits = options.get("bits") or "bits4"
    padded = turbo_padded(bits, spec.size)
    stays_rotated = spec.compressed and bits != "bits1_5" and spec.distance != MANHATTAN
    meta = {"bits": bits, "mode": "normal", "error_correction": None}
    if bits != "bits8":
        shift, scale = np.full(padded, F32(-0.0), F32), np.ones(padded, F32)
        if rows is not None:
            shift, scale = _turbo_correction(turbo_code_bits(bits), padded, spec, rows, stays_rotated)
        meta["mode"] = "plus"
        meta["error_correction"] = {"shift": shortest(shift), "scale": shortest(scale)}
    meta["rotation"] = "unpadded" if stays_rotated else "padded"
    return meta


def _turbo_correction(
    bits: int, padded: int, spec: VectorSpec, rows: Rows, stays_rotated: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    shift, scale = np.full(padded, F32(-0.0), F32), np.ones(padded, F32)
    sample = rows.sample(TURBO_SAMPLE[bits])
    if len(sample) < 2:
        return shift, scale
    plain = _native.turbo_codec(spec.size, bits, padded, spec.distance, True, not stays_rotated, None, None)
    top = TURBO_LARGEST_LEVEL[bits]
    share = (1 + math.erf(top / math.sqrt(2))) / 2
    low, high = np.quantile(plain.rotate(sample).astype(np.float64), [1 - share, share], axis=0)
    wide = high - low > 1e-3
    shift = (-(low + high) / 2).astype(F32)
    scale[wide] = (2 * top / (high - low)[wide]).astype(F32)
    return shift, scale


_FITS: dict[str, Callable[[dict[str, Any], VectorSpec, Rows | None], dict[str, Any]]] = {
    "scalar": fit_scalar,
    "product": fit_product,
    "binary": fit_binary,
    "turbo": fit_turbo,
}
