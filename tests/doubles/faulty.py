"""A node that obeys both ``faults.json`` (tests.doubles.shaken) and ``act.json`` (tests.doubles.actor)."""

from __future__ import annotations

from tests.doubles import actor, shaken

if __name__ == "__main__":
    shaken.obey()
    actor.main()
