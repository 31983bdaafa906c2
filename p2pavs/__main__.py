"""``p2pavs`` and ``python -m p2pavs``."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from p2pavs.cli.main import run

    run()


if __name__ == "__main__":
    main()
