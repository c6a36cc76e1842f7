"""Parameters of payload indexes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from edgeshard.models.base import (
    Model,
    opt_boolean,
    opt_instance,
    opt_json_path,
    opt_u64,
    put_fields,
)
from edgeshard.models.enums import Language, Memory, TokenizerType
from edgeshard.models.text_params import (
    DisabledStemmer,
    SnowballParams,
    Stemmer,
    Stopwords,
    StopwordsSet,
    TextScoringParams,
)

__all__ = [
    "INDEX_PARAMS",
    "BoolIndexParams",
    "DatetimeIndexParams",
    "DisabledStemmer",
    "FloatIndexParams",
    "GeoIndexParams",
    "IndexParams",
    "IntegerIndexParams",
    "KeywordIndexParams",
    "SnowballParams",
    "Stemmer",
    "Stopwords",
    "StopwordsSet",
    "TextIndexParams",
    "TextScoringParams",
    "UuidIndexParams",
]


class KeywordIndexParams(Model):
    """An index of strings.

    Args:
        is_tenant: the field separates tenants.
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        prefix: support `MatchPrefix`.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ("enable_hnsw", "is_tenant", "memory", "nested", "on_disk", "prefix")
    __match_args__ = ("is_tenant", "on_disk", "enable_hnsw", "prefix", "memory", "nested")

    is_tenant: bool | None
    on_disk: bool | None
    enable_hnsw: bool | None
    prefix: bool | None
    memory: Memory | None
    nested: str | None

    def __init__(
        self,
        is_tenant: bool | None = None,
        on_disk: bool | None = None,
        enable_hnsw: bool | None = None,
        prefix: bool | None = None,
        memory: Memory | None = None,
        nested: str | None = None,
    ) -> None:
        put_fields(
            self,
            is_tenant=opt_boolean(is_tenant, "is_tenant"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            prefix=opt_boolean(prefix, "prefix"),
            memory=opt_instance(memory, Memory, "memory"),
            nested=opt_json_path(nested, "nested"),
        )


class IntegerIndexParams(Model):
    """An index of integers.

    Args:
        lookup: support equality, yes if None.
        range: support ranges and ordering, yes if None.
        is_principal: most queries filter by this field.
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ("enable_hnsw", "is_principal", "lookup", "memory", "nested", "on_disk", "range")
    __match_args__ = ("lookup", "range", "is_principal", "on_disk", "enable_hnsw", "memory", "nested")

    lookup: bool | None
    range: bool | None
    is_principal: bool | None
    on_disk: bool | None
    enable_hnsw: bool | None
    memory: Memory | None
    nested: str | None

    def __init__(
        self,
        lookup: bool | None = None,
        range: bool | None = None,
        is_principal: bool | None = None,
        on_disk: bool | None = None,
        enable_hnsw: bool | None = None,
        memory: Memory | None = None,
        nested: str | None = None,
    ) -> None:
        put_fields(
            self,
            lookup=opt_boolean(lookup, "lookup"),
            range=opt_boolean(range, "range"),
            is_principal=opt_boolean(is_principal, "is_principal"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            memory=opt_instance(memory, Memory, "memory"),
            nested=opt_json_path(nested, "nested"),
        )


class _NumberIndexParams(Model, public=False):
    """An index of values on a line."""

    __slots__ = ("enable_hnsw", "is_principal", "memory", "nested", "on_disk")
    __match_args__ = ("is_principal", "on_disk", "enable_hnsw", "memory", "nested")

    is_principal: bool | None
    on_disk: bool | None
    enable_hnsw: bool | None
    memory: Memory | None
    nested: str | None

    def __init__(
        self,
        is_principal: bool | None = None,
        on_disk: bool | None = None,
        enable_hnsw: bool | None = None,
        memory: Memory | None = None,
        nested: str | None = None,
    ) -> None:
        put_fields(
            self,
            is_principal=opt_boolean(is_principal, "is_principal"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            memory=opt_instance(memory, Memory, "memory"),
            nested=opt_json_path(nested, "nested"),
        )


class FloatIndexParams(_NumberIndexParams):
    """An index of numbers.

    Args:
        is_principal: most queries filter by this field.
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ()


class _PlainIndexParams(Model, public=False):
    """An index without options of its own."""

    __slots__ = ("enable_hnsw", "memory", "nested", "on_disk")
    __match_args__ = ("on_disk", "enable_hnsw", "memory", "nested")

    on_disk: bool | None
    enable_hnsw: bool | None
    memory: Memory | None
    nested: str | None

    def __init__(
        self,
        on_disk: bool | None = None,
        enable_hnsw: bool | None = None,
        memory: Memory | None = None,
        nested: str | None = None,
    ) -> None:
        put_fields(
            self,
            on_disk=opt_boolean(on_disk, "on_disk"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            memory=opt_instance(memory, Memory, "memory"),
            nested=opt_json_path(nested, "nested"),
        )


class GeoIndexParams(_PlainIndexParams):
    """An index of places (objects with ``lon`` and ``lat``).

    Args:
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ()


class BoolIndexParams(_PlainIndexParams):
    """An index of booleans.

    Args:
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ()


class DatetimeIndexParams(_NumberIndexParams):
    """An index of dates.

    Args:
        is_principal: most queries filter by this field.
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ()


class UuidIndexParams(Model):
    """An index of UUIDs written as strings.

    Args:
        is_tenant: the field separates tenants.
        on_disk: read the index from disk. `memory` overrides it.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        nested: path of an array around the field; each of its objects is indexed by itself.
    """

    __slots__ = ("enable_hnsw", "is_tenant", "memory", "nested", "on_disk")
    __match_args__ = ("is_tenant", "on_disk", "enable_hnsw", "memory", "nested")

    is_tenant: bool | None
    on_disk: bool | None
    enable_hnsw: bool | None
    memory: Memory | None
    nested: str | None

    def __init__(
        self,
        is_tenant: bool | None = None,
        on_disk: bool | None = None,
        enable_hnsw: bool | None = None,
        memory: Memory | None = None,
        nested: str | None = None,
    ) -> None:
        put_fields(
            self,
            is_tenant=opt_boolean(is_tenant, "is_tenant"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            memory=opt_instance(memory, Memory, "memory"),
            nested=opt_json_path(nested, "nested"),
        )


class TextIndexParams(Model):
    """A full-text index.

    Args:
        tokenizer: how text is split, by words if None.
        min_token_len: shortest token kept, in characters.
        max_token_len: longest token kept, in characters.
        lowercase: ignore case, yes if None.
        ascii_folding: ignore accents.
        phrase_matching: keep positions, for `MatchPhrase`.
        stopwords: words left out.
        on_disk: read the index from disk. `memory` overrides it.
        stemmer: how words are reduced to stems.
        enable_hnsw: build extra HNSW links for this field.
        memory: where the index lives.
        scoring: keep what ranking needs: True or `TextScoringParams`.
        nested: path of an array around the field; each of its objects is a document by itself.
    """

    __slots__ = (
        "ascii_folding",
        "enable_hnsw",
        "lowercase",
        "max_token_len",
        "memory",
        "min_token_len",
        "nested",
        "on_disk",
        "phrase_matching",
        "scoring",
        "stemmer",
        "stopwords",
        "tokenizer",
    )
    __match_args__ = (
        "tokenizer",
        "min_token_len",
        "max_token_len",
        "lowercase",
        "ascii_folding",
        "phrase_matching",
        "stopwords",
        "on_disk",
        "stemmer",
        "enable_hnsw",
        "memory",
        "scoring",
        "nested",
    )

    tokenizer: TokenizerType
    min_token_len: int | None
    max_token_len: int | None
    lowercase: bool | None
    ascii_folding: bool | None
    phrase_matching: bool | None
    stopwords: Stopwords | None
    on_disk: bool | None
    stemmer: Stemmer | None
    enable_hnsw: bool | None
    memory: Memory | None
    scoring: TextScoringParams | None
    nested: str | None

    def __init__(
        self,
        tokenizer: TokenizerType | None = None,
        min_token_len: int | None = None,
        max_token_len: int | None = None,
        lowercase: bool | None = None,
        ascii_folding: bool | None = None,
        phrase_matching: bool | None = None,
        stopwords: Stopwords | None = None,
        on_disk: bool | None = None,
        stemmer: Stemmer | None = None,
        enable_hnsw: bool | None = None,
        memory: Memory | None = None,
        scoring: bool | TextScoringParams | None = None,
        nested: str | None = None,
    ) -> None:
        if isinstance(scoring, (bool, np.bool_)):
            scoring = TextScoringParams() if scoring else None
        put_fields(
            self,
            tokenizer=opt_instance(tokenizer, TokenizerType, "tokenizer") or TokenizerType.Word,
            min_token_len=opt_u64(min_token_len, "min_token_len"),
            max_token_len=opt_u64(max_token_len, "max_token_len"),
            lowercase=opt_boolean(lowercase, "lowercase"),
            ascii_folding=opt_boolean(ascii_folding, "ascii_folding"),
            phrase_matching=opt_boolean(phrase_matching, "phrase_matching"),
            stopwords=opt_instance(stopwords, (Language, StopwordsSet), "stopwords"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            stemmer=opt_instance(stemmer, (SnowballParams, DisabledStemmer), "stemmer"),
            enable_hnsw=opt_boolean(enable_hnsw, "enable_hnsw"),
            memory=opt_instance(memory, Memory, "memory"),
            scoring=opt_instance(scoring, TextScoringParams, "scoring"),
            nested=opt_json_path(nested, "nested"),
        )


IndexParams: TypeAlias = (
    KeywordIndexParams
    | IntegerIndexParams
    | FloatIndexParams
    | GeoIndexParams
    | TextIndexParams
    | BoolIndexParams
    | DatetimeIndexParams
    | UuidIndexParams
)
INDEX_PARAMS = (
    KeywordIndexParams,
    IntegerIndexParams,
    FloatIndexParams,
    GeoIndexParams,
    TextIndexParams,
    BoolIndexParams,
    DatetimeIndexParams,
    UuidIndexParams,
)
