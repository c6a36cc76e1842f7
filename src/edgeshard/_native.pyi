"""Typed view of the native module, one section per register_* family of native/bind."""

import numpy as np
from numpy.typing import NDArray

# --- distance

def cpu_isa() -> str: ...
def default_threads() -> int: ...

# --- text

def split_text(text: str, splitter: int = 0, lowercase: bool = True, folding: bool = False) -> list[str]: ...
def split_texts(
    texts: list[str], splitter: int = 0, lowercase: bool = True, folding: bool = False
) -> tuple[list[str], NDArray[np.uint32], NDArray[np.int64]]: ...
def split_bytes(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    splitter: int = 0,
    lowercase: bool = True,
    folding: bool = False,
) -> tuple[list[str], NDArray[np.uint32], NDArray[np.int64]]: ...
def token_ids(tokens: list[str]) -> NDArray[np.uint32]: ...

# --- convert

def pack_vector(vector: object, finite: bool) -> bytes | tuple[bytes, int, int] | None: ...
def encode_payload(payload: dict[str, object]) -> bytes: ...
