"""Tokenizers, stop words, stemming and BM25."""
