"""Tokenizers, stop words, stemming and BM25.

In: texts and the parameters of :mod:`edgeshard.models.text_params`. Out: tokens, and sparse vectors of them. No files.
"""
