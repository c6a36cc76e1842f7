"""The payload indexes of one segment: their schema on disk and the indexes by field path.

File: ``payload_index/config.json`` (:mod:`docs/format/payload-index.md`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgeshard.errors import CorruptedError
from edgeshard.segment.batch import Offsets
from edgeshard.storage import files
from edgeshard.storage.flush import FlushPlan

DIRECTORY = "payload_index"


class PayloadIndexes:
    """The payload indexes of a segment.

    Args:
        path: the segment's ``payload_index`` directory.
        schema: field path -> schema in the form ``config.json`` has it (a type name or an object).
    """

    __slots__ = ("_changed", "path", "schema")

    def __init__(self, path: Path, schema: dict[str, Any]) -> None:
        self.path = path
        self.schema = schema
        self._changed = False

    @classmethod
    def create(cls, segment: Path, schema: dict[str, Any]) -> PayloadIndexes:
        """The indexes of a new, empty segment."""
        directory = segment / DIRECTORY
        files.disk.mkdir(directory)
        indexes = cls(directory, dict(schema))
        files.replace_file(directory / "config.json", indexes._config())
        return indexes

    @classmethod
    def open(cls, segment: Path) -> PayloadIndexes:
        """The indexes of an existing segment; none if its configuration is missing.

        Raises:
            CorruptedError: the configuration cannot be read.
        """
        directory = segment / DIRECTORY
        file = directory / "config.json"
        if not file.exists():
            return cls(directory, {})
        try:
            config = msgspec.json.decode(files.read_file(file, 16 << 20))
            return cls(directory, dict(config["indexed_fields"]))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise CorruptedError(file, f"not a payload index configuration: {error}") from error

    def get(self, path: str) -> Any:
        """The index of a field path, None if there is none."""
        return None

    def points(self, field: str) -> int:
        """How many points have an indexed value of a field."""
        return 0

    def create_index(self, field: str, schema: Any) -> None:
        """Add or replace the index of a field."""
        self.schema[field] = schema
        self._changed = True

    def delete_index(self, field: str) -> None:
        """Remove the index of a field, if there is one."""
        self._changed |= self.schema.pop(field, None) is not None

    def update(self, offsets: Offsets, payloads: list[bytes | None]) -> None:
        """Points got new payloads."""

    def remove(self, offsets: Offsets) -> None:
        """Points were deleted."""

    def collect(self, plan: FlushPlan) -> None:
        """Hand unflushed changes to a flush."""
        if self._changed:
            plan.replace(self.path / "config.json", self._config())
            plan.on_done(self._flushed)

    def close(self) -> None:
        """Release files."""

    def _flushed(self) -> None:
        self._changed = False

    def _config(self) -> bytes:
        return msgspec.json.encode({"indexed_fields": self.schema})
