"""``quantized.config.json`` and ``quantized.meta.json``: written, read back and checked, and turned into a codec."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.quantization.fit import turbo_code_bits, turbo_padded
from edgeshard.index.quantization.spec import VectorSpec
from edgeshard.models.stored_settings import quantization_config
from edgeshard.storage import files
from edgeshard.storage.convert import COSINE, EUCLID, MANHATTAN

CONFIG, META = "quantized.config.json", "quantized.meta.json"
JSON_LIMIT_BYTES = 1 << 28
METHODS = ("scalar", "product", "binary", "turbo")
BINARY_ENCODINGS = {"OneBit": 0, "TwoBits": 1, "OneAndHalfBits": 2}
QUERY_BITS = {"SameAsStorage": 1, "Scalar4bits": 4, "Scalar8bits": 8}


def vector_parameters(method: str, spec: VectorSpec, count: int | None) -> dict[str, Any]:
    """What both files say about the vectors; no count in an appendable segment."""
    kind = {EUCLID: "L2", MANHATTAN: "L1"}.get(spec.distance, "Dot")
    if method == "turbo" and spec.distance == COSINE:
        kind = "Cosine"
    parameters: dict[str, Any] = {"dim": spec.size, "distance_type": kind, "invert": kind in ("L1", "L2")}
    if count is not None:
        parameters["count"] = count
    return parameters


def encode_files(
    quantization: dict[str, Any], fitted: dict[str, Any], spec: VectorSpec, count: int | None
) -> tuple[bytes, bytes]:
    """Contents of the two files; ``count`` is None for the mutable layout."""
    parameters = vector_parameters(next(iter(quantization)), spec, count)
    config: dict[str, Any] = {"quantization_config": quantization, "vector_parameters": parameters}
    if count is None:
        config["storage_type"] = "Mutable"
    meta = {**fitted, "vector_parameters": parameters}
    return msgspec.json.encode(config), msgspec.json.encode(meta)


class Description:
    """The two files of a directory, read and checked.

    Args:
        directory: ``vector_storage[-NAME]``.
        spec: the vectors they are about.

    Attributes:
        method: ``scalar``, ``product``, ``binary`` or ``turbo``.
        options: what the user configured.
        mutable: whether the codes are in chunks and grow.
        codec: compresses and compares.

    Raises:
        CorruptedError: a file is missing, damaged, or about other vectors.
    """

    __slots__ = ("codec", "method", "mutable", "options")

    def __init__(self, directory: Path, spec: VectorSpec) -> None:
        config = _read(directory / CONFIG)
        meta = _read(directory / META)
        try:
            quantization = config["quantization_config"]
            self.method, self.options = next((k, v) for k, v in quantization.items() if k in METHODS)
            quantization_config({self.method: self.options})
            self.mutable = config.get("storage_type", "Immutable") == "Mutable"
            self._check_vectors(meta["vector_parameters"], spec)
            self.codec = _CODECS[self.method](meta, spec)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration, OverflowError) as error:
            reason = f"not the parameters of a quantization: {type(error).__name__}: {error}"
            raise CorruptedError(directory / META, reason) from error

    def _check_vectors(self, found: dict[str, Any], spec: VectorSpec) -> None:
        expected = vector_parameters(self.method, spec, None)
        for key, value in expected.items():
            if found[key] != value:
                raise ValueError(f"expected {key} {value!r}, got {found[key]!r}")

    @property
    def in_memory(self) -> bool:
        """Whether the codes were asked to be kept in memory; the default is to map them."""
        memory = self.options.get("memory")
        return bool(memory == "pinned" if memory is not None else self.options.get("always_ram"))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = files.parse_json(files.read_file(path, JSON_LIMIT_BYTES))
    except ValueError as error:
        raise CorruptedError(path, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CorruptedError(path, "expected an object")
    return value


def _numbers(values: Any, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A list of ``count`` finite numbers as an array."""
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"expected {count} numbers")
    array = np.array(values, np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"expected {count} finite numbers")
    return array.astype(np.float32).astype(dtype)


def _scalar(meta: dict[str, Any], spec: VectorSpec) -> _native.RecordCodec:
    if meta["actual_dim"] != -(-spec.size // 16) * 16:
        raise ValueError(f"actual_dim {meta['actual_dim']!r} does not fit dim {spec.size}")
    values = [float(meta[key]) for key in ("alpha", "offset", "multiplier")]
    if not all(map(math.isfinite, values)):
        raise ValueError("alpha, offset and multiplier must be finite")
    return _native.scalar_codec(spec.size, spec.distance, *values)


def _product(meta: dict[str, Any], spec: VectorSpec) -> _native.RecordCodec:
    division = meta["vector_division"]
    if not isinstance(division, list) or not 0 < len(division) <= spec.size:
        raise ValueError("vector_division must list the groups of components")
    starts, ends = [part["start"] for part in division], [part["end"] for part in division]
    if starts != [0, *ends[:-1]] or not all(isinstance(end, int) and 0 < end <= spec.size for end in ends):
        raise ValueError("vector_division must cover the components in order")
    rows = meta["centroids"]
    if not isinstance(rows, list) or len(rows) != 256:
        raise ValueError("expected 256 centroids")
    centroids = np.stack([_numbers(row, spec.size, np.float32) for row in rows])
    return _native.product_codec(spec.size, spec.distance, np.array([0, *ends], np.uint32), centroids)


def binary_stride(size: int, encoding: int, multi: bool) -> int:
    """Bytes of a row of bits."""
    bits = (size, 2 * size, (3 * size + 1) // 2)[encoding]
    word = 16
    if multi:
        word = next(width for width, most in ((1, 32), (4, 64), (8, 128), (16, 1 << 31)) if bits <= most)
    return -(-bits // (8 * word)) * word


def _binary(meta: dict[str, Any], spec: VectorSpec) -> _native.RecordCodec:
    encoding = BINARY_ENCODINGS[meta.get("encoding", "OneBit")]
    query_bits = QUERY_BITS[meta.get("query_encoding", "SameAsStorage")]
    mean = deviation = None
    if encoding:
        stats = meta["vector_stats"]["elements_stats"]
        mean = _numbers([entry["mean"] for entry in stats], spec.size, np.float32)
        deviation = _numbers([entry["stddev"] for entry in stats], spec.size, np.float32)
    stride = binary_stride(spec.size, encoding, spec.multi)
    return _native.binary_codec(spec.size, encoding, query_bits, stride, mean, deviation)


def _turbo(meta: dict[str, Any], spec: VectorSpec) -> _native.RecordCodec:
    bits, mode, rotation = meta["bits"], meta["mode"], meta.get("rotation", "padded")
    if mode not in ("normal", "plus") or rotation not in ("padded", "unpadded"):
        raise ValueError(f"mode {mode!r} or rotation {rotation!r} is not known")
    padded = turbo_padded(bits, spec.size)
    shift = scale = None
    correction = meta.get("error_correction")
    if mode == "plus" and correction is not None:
        shift = _numbers(correction["shift"], padded, np.float64)
        scale = _numbers(correction["scale"], padded, np.float64)
    return _native.turbo_codec(
        spec.size, turbo_code_bits(bits), padded, spec.distance, mode == "plus", rotation == "padded", shift, scale
    )


_CODECS = {"scalar": _scalar, "product": _product, "binary": _binary, "turbo": _turbo}
