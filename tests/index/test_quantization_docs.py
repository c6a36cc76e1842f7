"""The worked examples of docs/format/quantization.md are what the code writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from edgeshard.index import turbo
from edgeshard.index.quantization import QuantizedVectors, VectorSpec
from edgeshard.storage.dense import MatrixDense

PAGE = Path(__file__).parents[2] / "docs" / "format" / "quantization.md"
ROWS = np.array([[1, -2, 3, 0.5], [0.25, 4, -1, 2], [-3, 1, 0, -0.5]], np.float32)


def test_examples(tmp_path: Path) -> None:
    text = PAGE.read_text()
    examples = {name: bytes.fromhex(body) for name, body in re.findall(r"```hex (\S+)\n(.*?)```", text, re.S)}
    MatrixDense.write(tmp_path, [ROWS], np.zeros(3, np.bool_))
    storage = MatrixDense.open(tmp_path, 4, np.float32)
    configurations = [json.loads(line) for line in re.findall(r"^`(\{.*\})`", text, re.M)]
    assert len(configurations) == 4
    for configuration, (name, expected) in zip(configurations, examples.items(), strict=False):
        codes = QuantizedVectors.build(tmp_path, storage, configuration, VectorSpec(4, 2))
        assert (tmp_path / "quantized.data").read_bytes() == expected, name
        codes.close()
    assert turbo.encode_rows(ROWS, 1, 4).tobytes() == examples["stored-turbo4"]
