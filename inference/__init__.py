"""Exact inference: one model, one request, one sequence of bits, on every machine that passes the checks.

llama.cpp lives in a subprocess only (``serve``, ``engine``, ``llama``); a node imports ``worker``,
``request``, ``model``, ``runtime`` and ``errors``.
"""
