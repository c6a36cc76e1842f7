"""What a field's schema in ``config.json`` says: which indexes there are, and where they live."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from edgeshard.models.paths import JsonPath
from edgeshard.models.schemas import schema_from_json

Schema: TypeAlias = "str | dict[str, Any]"
"""A type name, or an object with the type and its options."""

KEYWORD, INT_MAP, INT = "keyword_index", "int_map_index", "int_index"
FLOAT, DATETIME, UUID_MAP = "float_index", "datetime_index", "uuid_map_index"
GEO, TEXT, BOOL, NULL = "geo_index", "full_text_index", "bool_index", "null_index"

SUFFIXES = {
    KEYWORD: "map",
    INT_MAP: "map",
    UUID_MAP: "map",
    "uuid_index": "map",
    GEO: "map",
    INT: "numeric",
    FLOAT: "numeric",
    DATETIME: "numeric",
    TEXT: "text",
    BOOL: "bool",
    NULL: "null",
}
"""End of a directory's name by kind of index."""

_KINDS = {
    "keyword": (KEYWORD,),
    "float": (FLOAT,),
    "datetime": (DATETIME,),
    "uuid": (UUID_MAP,),
    "geo": (GEO,),
    "text": (TEXT,),
    "bool": (BOOL,),
}
_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


class FieldSchema:
    """The indexes of one field.

    Args:
        field: its path in canonical spelling.
        stored: the schema as ``config.json`` has it.

    Raises:
        AttributeError, KeyError, OverflowError, TypeError, ValueError: it is no schema.
    """

    __slots__ = ("field", "kinds", "nested", "options", "path", "relative", "stored", "type")

    def __init__(self, field: str, stored: Schema) -> None:
        schema_from_json(stored)  # every option is one there is, before an index is made of it
        self.field = field
        self.options: dict[str, Any] = {} if isinstance(stored, str) else stored
        self.type: str = stored if isinstance(stored, str) else stored["type"]
        self.kinds = (*self._own_kinds(), NULL)
        self.path = JsonPath.parse(field)
        nested = self.options.get("nested")
        self.nested = JsonPath.parse(nested).elements() if nested else None
        self.relative = self.path
        if self.nested is not None:
            self.relative = JsonPath(self.path.steps[len(self.nested.steps) :])

    def _own_kinds(self) -> tuple[str, ...]:
        if self.type != "integer":
            return _KINDS[self.type]
        kinds = (("lookup", INT_MAP), ("range", INT))
        return tuple(kind for option, kind in kinds if self.options.get(option) is not False)

    def directory(self, kind: str) -> str:
        """Name of the directory of one of the indexes."""
        return directory_name(self.field, SUFFIXES[kind])

    @property
    def directories(self) -> list[str]:
        """Names of all directories of the field."""
        names = [self.directory(kind) for kind in self.kinds]
        return names if self.nested is None else [*names, *(f"{name}-elements" for name in names)]

    def types(self, appendable: bool) -> list[dict[str, Any]]:
        """The field's entry in ``indexed_types``."""
        return [self._type(kind, appendable) for kind in self.kinds]

    def _type(self, kind: str, appendable: bool) -> dict[str, Any]:
        storage: Any = {"mmap": {"is_on_disk": False}}
        if kind not in (BOOL, NULL):
            storage = "gridstore" if appendable else {"mmap": {"is_on_disk": self.on_disk}}
        mutability = "mutable" if appendable else "immutable"
        return {"index_type": kind, "mutability": mutability, "storage_type": storage}

    @property
    def on_disk(self) -> bool:
        """Whether Qdrant leaves an immutable index in its files: memory ``cold`` or ``cached``, else ``on_disk``."""
        memory = self.options.get("memory")
        return bool(self.options.get("on_disk")) if memory is None else memory in ("cold", "cached")

    @property
    def phrases(self) -> bool:
        """Whether a text index keeps positions."""
        return bool(self.options.get("phrase_matching"))

    @property
    def scored(self) -> bool:
        """Whether a text index keeps what BM25 needs."""
        return bool(self.options.get("scoring"))


def directory_name(field: str, suffix: str) -> str:
    """``<hash>-<readable>-<suffix>``: the directory of an index."""
    import base64  # for shards with payload indexes only: 3 ms
    import hashlib

    digest = hashlib.sha256(field.encode()).digest()[:15]
    code = base64.b32encode(digest).decode().translate(_DIGITS)
    readable = re.sub("_+", "_", re.sub("[^A-Za-z0-9_-]", "_", field).lower())[:8]
    return f"{code}-{readable}-{suffix}"


class TextOptions:
    """The options of a text index as a tokenizer wants them.

    Args:
        options: the schema's object.
    """

    __slots__ = (
        "ascii_folding", "lowercase", "max_token_len", "min_token_len", "stemmer", "stopwords", "tokenizer",
    )  # fmt: skip

    def __init__(self, options: dict[str, Any]) -> None:
        self.tokenizer = options.get("tokenizer")
        self.lowercase = options.get("lowercase")
        self.ascii_folding = options.get("ascii_folding")
        self.min_token_len = options.get("min_token_len")
        self.max_token_len = options.get("max_token_len")
        words = options.get("stopwords")
        self.stopwords = _StopWords(words) if isinstance(words, dict) else words
        stemmer = options.get("stemmer")
        self.stemmer = stemmer.get("language") if isinstance(stemmer, dict) else stemmer


class _StopWords:
    __slots__ = ("custom", "languages")

    def __init__(self, words: dict[str, Any]) -> None:
        self.languages = words.get("languages")
        self.custom = words.get("custom")
