"""A result as text: for a terminal, and as Markdown."""

from __future__ import annotations

from p2pavs.bench.result import Cell, Result, Table


def as_text(result: Result) -> str:
    """Tables in columns, then the notes."""
    blocks = ["\n".join(_columns(table)) for table in result.tables]
    return "\n\n".join([*blocks, *result.notes])


def as_markdown(result: Result) -> str:
    """Tables as Markdown, then the notes."""
    blocks = []
    for table in result.tables:
        if table.title:
            blocks.append(f"{table.title}:")
        blocks.append("\n".join(_markdown(table)))
    return "\n\n".join([*blocks, *result.notes])


def _columns(table: Table) -> list[str]:
    rows = [table.columns, *table.texts()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    words = [at == 0 or any(_is_text(row[at]) for row in table.rows) for at in range(len(table.columns))]
    lines = [table.title] if table.title else []
    for row in rows:
        cells = [
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, words, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _is_text(cell: Cell) -> bool:
    """Whether a cell holds words; a number may be a text too, such as 1.8e-04 or 91.2%."""
    return isinstance(cell, str) and not cell[:1].isdigit()


def _markdown(table: Table) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(table.columns), "|" + "---|" * len(table.columns), *map(line, table.texts())]
