"""A node whose members wait longer for their collectors: on a busy machine the usual second is too short.

``python -m tests.doubles.patient node ...`` is ``p2pavs node ...``.
"""

from __future__ import annotations

from consensus import collecting
from p2pavs.__main__ import main

PATIENCE_MS = 8000

if __name__ == "__main__":
    collecting.LEAST_PATIENCE_MS = collecting.MOST_PATIENCE_MS = PATIENCE_MS  # type: ignore[misc]
    main()
