"""Payloads as the storage holds them: compact JSON text, encoded and checked natively."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from edgeshard._native import encode_payload
from edgeshard.errors import CorruptedError

__all__ = ["Payload", "decode_json", "decode_payload", "encode_payload"]

Payload: TypeAlias = "dict[str, Any]"

_decoder: Callable[[bytes], Any] | None = None


def decode_json(raw: bytes) -> Any:
    """The Python value of JSON text; every float is read exactly."""
    global _decoder
    if _decoder is None:
        from msgspec.json import decode  # takes 10 ms to import and many programs never look at a payload

        _decoder = decode
    return _decoder(raw)


def decode_payload(raw: bytes, source: object = None) -> Payload:
    """A fresh dict of the stored payload whose JSON is `raw`.

    Args:
        raw: JSON.
        source: the directory it was read from, for the message; None if that is not known.

    Raises:
        CorruptedError: it is no JSON: the payload storage of a segment is damaged.
    """
    decode = _decoder or decode_json  # read once per point of a result: no call more than needed
    try:
        return decode(raw)  # type: ignore[no-any-return]
    except ValueError as error:
        raise CorruptedError(source or "payload_storage", f"a payload cannot be read: {error}") from error
