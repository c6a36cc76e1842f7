"""Schemas of payload indexes as the log and ``payload_index/config.json`` hold them."""

from __future__ import annotations

from typing import Any

from edgeshard.models.enums import (
    Language,
    Memory,
    PayloadSchemaType,
    SnowballLanguage,
    TextScoringType,
    TokenizerType,
)
from edgeshard.models.indexes import (
    BoolIndexParams,
    DatetimeIndexParams,
    DisabledStemmer,
    FloatIndexParams,
    GeoIndexParams,
    IndexParams,
    IntegerIndexParams,
    KeywordIndexParams,
    SnowballParams,
    StopwordsSet,
    TextIndexParams,
    TextScoringParams,
    UuidIndexParams,
)
from edgeshard.models.wire import from_wire, to_wire

__all__ = ["same_schema", "schema_from_json", "schema_to_json"]

_CLASSES: dict[PayloadSchemaType, type[Any]] = {
    PayloadSchemaType.Keyword: KeywordIndexParams,
    PayloadSchemaType.Integer: IntegerIndexParams,
    PayloadSchemaType.Float: FloatIndexParams,
    PayloadSchemaType.Geo: GeoIndexParams,
    PayloadSchemaType.Text: TextIndexParams,
    PayloadSchemaType.Bool: BoolIndexParams,
    PayloadSchemaType.Datetime: DatetimeIndexParams,
    PayloadSchemaType.Uuid: UuidIndexParams,
}
_TYPES = {cls: kind for kind, cls in _CLASSES.items()}
_WRITTEN_AS_NULL = {
    IntegerIndexParams: ("lookup", "range", "is_principal"),
    FloatIndexParams: ("is_principal",),
    DatetimeIndexParams: ("is_principal",),
}
"""Options that 0.9.0 writes even when they are not set."""


def schema_to_json(schema: PayloadSchemaType | IndexParams) -> str | dict[str, Any]:
    """The name of an index type, or the map of its parameters, keys in Qdrant's order."""
    if isinstance(schema, PayloadSchemaType):
        return to_wire(schema)
    result: dict[str, Any] = {"type": to_wire(_TYPES[type(schema)])}
    nulls = _WRITTEN_AS_NULL.get(type(schema), ())
    for option in _stored_order(type(schema)):
        value = getattr(schema, option)
        if value is not None or option in nulls:
            result[option] = _option_to_json(option, value)
    return result


def _stored_order(cls: type[IndexParams]) -> list[str]:
    """The options of an index in the order they are stored: that of the arguments, but for ``memory``."""
    options = [option for option in cls.__match_args__ if option != "memory"]
    options.insert(options.index("on_disk") + 1, "memory")
    return options


def same_schema(one: str | dict[str, Any], other: str | dict[str, Any]) -> bool:
    """Whether two schemas ask for the same index: a type alone stands for its parameters as they are by default."""
    same: bool = _with_params(one) == _with_params(other)
    return same


def _with_params(stored: str | dict[str, Any]) -> Any:
    return schema_to_json(_CLASSES[from_wire(PayloadSchemaType, stored)]()) if isinstance(stored, str) else stored


def _option_to_json(option: str, value: Any) -> Any:
    if isinstance(value, (Memory, TokenizerType, Language)):
        return to_wire(value)
    if isinstance(value, StopwordsSet):
        words: dict[str, Any] = {}
        if value.languages is not None:
            words["languages"] = sorted(to_wire(language) for language in value.languages)
        if value.custom is not None:
            words["custom"] = sorted(value.custom)
        return words
    if isinstance(value, SnowballParams):
        return {"type": "snowball", "language": to_wire(value.language)}
    if isinstance(value, DisabledStemmer):
        return {"type": "none"}
    if isinstance(value, TextScoringParams):
        return {"type": to_wire(value.type)}
    if option == "nested" and not value.endswith("[]"):
        return f"{value}[]"
    return value


def schema_from_json(stored: str | dict[str, Any]) -> tuple[PayloadSchemaType, IndexParams | None]:
    """The type of an index and its parameters, None where it is given by type alone.

    Raises:
        AttributeError, KeyError, OverflowError, TypeError, ValueError: it is no schema of an index.
    """
    if isinstance(stored, str):
        return from_wire(PayloadSchemaType, stored), None
    kind = from_wire(PayloadSchemaType, stored["type"])
    cls = _CLASSES[kind]
    options = {
        option: _option_from_json(option, stored[option])
        for option in cls.__match_args__
        if stored.get(option) is not None
    }
    return kind, cls(**options)


def _option_from_json(option: str, stored: Any) -> Any:
    if option == "memory":
        return from_wire(Memory, stored)
    if option == "tokenizer":
        return from_wire(TokenizerType, stored)
    if option == "stopwords":
        return _stopwords(stored)
    if option == "stemmer":
        return _stemmer(stored)
    if option == "scoring":
        return stored if isinstance(stored, bool) else TextScoringParams(from_wire(TextScoringType, stored["type"]))
    return stored


def _stopwords(stored: Any) -> Language | StopwordsSet:
    if isinstance(stored, str):
        return from_wire(Language, stored)
    languages, custom = stored.get("languages"), stored.get("custom")
    return StopwordsSet(None if languages is None else [from_wire(Language, name) for name in languages], custom)


def _stemmer(stored: Any) -> SnowballParams | DisabledStemmer:
    if stored["type"] == "none":
        return DisabledStemmer()
    if stored["type"] != "snowball":
        raise ValueError(f"unknown stemmer {stored['type']!r}")
    return SnowballParams(from_wire(SnowballLanguage, stored["language"]))
