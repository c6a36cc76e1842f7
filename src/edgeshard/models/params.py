"""How to search."""

from __future__ import annotations

from edgeshard.models.base import Model, boolean, opt_boolean, opt_f64, opt_instance, opt_u64, put_fields
from edgeshard.models.filters import Filter

__all__ = ["AcornSearchParams", "IdfParams", "QuantizationSearchParams", "SearchParams"]


class AcornSearchParams(Model):
    """Filtered graph search that looks at neighbours of neighbours (Patel et al. 2024).

    Accepted for the sake of programs that set it: searches choose by the share of matching points whether to do so.

    Args:
        enable: use it, in Qdrant.
        max_selectivity: share of matching points above which it is not used, in Qdrant.
    """

    __slots__ = ("enable", "max_selectivity")
    __match_args__ = ("enable", "max_selectivity")

    enable: bool
    max_selectivity: float | None

    def __init__(self, enable: bool = False, max_selectivity: float | None = None) -> None:
        put_fields(
            self,
            enable=boolean(enable, "enable"),
            max_selectivity=opt_f64(max_selectivity, "max_selectivity"),
        )


class QuantizationSearchParams(Model):
    """How compressed vectors are used.

    Args:
        ignore: use the original vectors only.
        rescore: compare the best candidates by their original vectors, None chooses.
        oversampling: how many times more candidates to rescore than points to return.
    """

    __slots__ = ("ignore", "oversampling", "rescore")
    __match_args__ = ("ignore", "rescore", "oversampling")

    ignore: bool
    rescore: bool | None
    oversampling: float | None

    def __init__(self, ignore: bool = False, rescore: bool | None = None, oversampling: float | None = None) -> None:
        put_fields(
            self,
            ignore=boolean(ignore, "ignore"),
            rescore=opt_boolean(rescore, "rescore"),
            oversampling=opt_f64(oversampling, "oversampling"),
        )


class IdfParams(Model):
    """Which points decide how rare a term is; for sparse vectors with ``Modifier.Idf``.

    Args:
        corpus: those matching this filter, all if None.
    """

    __slots__ = ("corpus",)
    __match_args__ = ("corpus",)

    corpus: Filter | None

    def __init__(self, corpus: Filter | None = None) -> None:
        put_fields(self, corpus=opt_instance(corpus, Filter, "corpus"))


class SearchParams(Model):
    """How to search.

    Args:
        hnsw_ef: candidates kept while walking the graph (ef), None chooses.
        exact: compare every vector.
        quantization: how compressed vectors are used.
        indexed_only: leave out segments where more than 10,000 KB of vectors that no index finds would be compared.
        acorn: filtered search by neighbours of neighbours.
        idf: which points decide how rare a term is.
    """

    __slots__ = ("acorn", "exact", "hnsw_ef", "idf", "indexed_only", "quantization")
    __match_args__ = ("hnsw_ef", "exact", "quantization", "indexed_only", "acorn", "idf")

    hnsw_ef: int | None
    exact: bool
    quantization: QuantizationSearchParams | None
    indexed_only: bool
    acorn: AcornSearchParams | None
    idf: IdfParams | None

    def __init__(
        self,
        hnsw_ef: int | None = None,
        exact: bool = False,
        quantization: QuantizationSearchParams | None = None,
        indexed_only: bool = False,
        acorn: AcornSearchParams | None = None,
        idf: IdfParams | None = None,
    ) -> None:
        put_fields(
            self,
            hnsw_ef=opt_u64(hnsw_ef, "hnsw_ef"),
            exact=boolean(exact, "exact"),
            quantization=opt_instance(quantization, QuantizationSearchParams, "quantization"),
            indexed_only=boolean(indexed_only, "indexed_only"),
            acorn=opt_instance(acorn, AcornSearchParams, "acorn"),
            idf=opt_instance(idf, IdfParams, "idf"),
        )
