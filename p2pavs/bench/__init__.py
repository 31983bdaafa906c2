"""Benchmarks behind ``p2pavs bench``: their registry, one type of result, and what is written of it."""
