"""BLS12-381 arithmetic behind one small protocol: a fast backend and a pure-Python reference."""
