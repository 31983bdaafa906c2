"""Charts as SVG: lines, bars, and timelines. Plain shapes and text; no script, no style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from p2pavs.bench.result import Bars, Chart, Span, Timeline, shown

WIDTH = 760
COLOURS = (
    "#2563eb",
    "#d97706",
    "#059669",
    "#dc2626",
    "#7c3aed",
    "#0891b2",
    "#be185d",
    "#65a30d",
    "#475569",
    "#ca8a04",
)
_CHARACTER = 6.7  # width of one in the font below, about


@dataclass(slots=True)
class Canvas:
    """Shapes, collected; ``height`` grows with what is drawn by its user."""

    height: float = 0.0
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, dim: bool = False
    ) -> None:
        """Write; ``y`` is the base line."""
        style = ' font-weight="600"' if bold else ""
        fill = "#64748b" if dim else "#0f172a"
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{style}>{escape(text)}</text>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str = "#e2e8f0") -> None:
        """Draw a thin line."""
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, hint: str = "") -> None:
        """Fill a rectangle; ``hint`` is shown when the pointer rests on it."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.5):.1f}" height="{height:.1f}" rx="1.5" '
            f'fill="{colour}">{title}</rect>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Join points, and mark each."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]

    def legend(self, names: Sequence[str], y: float) -> float:
        """Name the colours, in as many lines as it takes; returns where what follows begins."""
        x = 12.0
        for name, colour in zip(names, colours(len(names)), strict=True):
            width = 24 + _CHARACTER * len(name)
            if x + width > WIDTH and x > 12:
                x, y = 12.0, y + 18
            self.box(x, y - 9, 10, 10, colour)
            self.text(x + 15, y, name)
            x += width + 10
        return y + 18

    def document(self, title: str) -> str:
        """The whole file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:.0f}" '
            f'width="{WIDTH}" height="{self.height:.0f}" role="img" '
            'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">'
            f"<title>{escape(title)}</title>"
            f'<rect width="{WIDTH}" height="{self.height:.0f}" fill="#ffffff"/>'
            f"{''.join(self.parts)}</svg>\n"
        )


def colours(count: int) -> list[str]:
    """One colour for each of ``count`` things; they come again when there are too many."""
    return [COLOURS[at % len(COLOURS)] for at in range(count)]


def chart(what: Chart) -> str:
    """Lines over numbers."""
    canvas = Canvas()
    canvas.text(12, 20, what.title, bold=True)
    top = canvas.legend(list(what.lines), 40) + 16
    left, bottom, right = 72.0, top + 270, WIDTH - 24.0
    points = [point for line in what.lines.values() for point in line]
    across = Axis.of([x for x, _ in points], left, right, log=what.log_x)
    upward = Axis.of([y for _, y in points], bottom, top, log=what.log_y)
    for tick in upward.ticks():
        canvas.line(left, upward.at(tick), right, upward.at(tick))
        canvas.text(left - 6, upward.at(tick) + 4, _round(tick), anchor="end", dim=True)
    for tick in across.ticks():
        canvas.line(across.at(tick), bottom, across.at(tick), bottom + 4, "#94a3b8")
        canvas.text(across.at(tick), bottom + 18, _round(tick), anchor="middle", dim=True)
    canvas.text((left + right) / 2, bottom + 36, what.x, anchor="middle")
    canvas.text(12, top - 12, what.y, dim=True)
    for line, colour in zip(what.lines.values(), colours(len(what.lines)), strict=True):
        canvas.path([(across.at(x), upward.at(y)) for x, y in line], colour)
    canvas.height = bottom + 46
    return canvas.document(what.title)


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers from ``low`` to ``high`` on a line of the picture."""

    low: float
    high: float
    begin: float
    end: float
    log: bool

    @classmethod
    def of(cls, values: Iterable[float], begin: float, end: float, *, log: bool) -> Axis:
        """An axis that all values lie on; a linear one begins at 0 unless there are values below."""
        found = list(values)
        if log:
            found = [value for value in found if value > 0] or [1.0]
            low = 10.0 ** math.floor(math.log10(min(found)))
            high = 10.0 ** math.ceil(math.log10(max(found)))
            return cls(low, high if high > low else 10 * low, begin, end, True)
        low, high = min(0.0, *found, 0.0), max(found, default=1.0)
        step = _step(high - low or 1.0)
        return cls(low, math.ceil(high / step) * step or 1.0, begin, end, False)

    def at(self, value: float) -> float:
        """Where a value lies."""
        if self.log:
            share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round numbers on it."""
        if self.log:
            decades = round(math.log10(self.high / self.low))
            return [self.low * 10.0**power for power in range(decades + 1)]
        step = _step(self.high - self.low)
        first = math.ceil(self.low / step)
        return [step * number for number in range(first, int(self.high / step + 1e-9) + 1)]


def _step(span: float) -> float:
    """A round number of which about five go into ``span``."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _whole(value: float) -> float | int:
    return round(value) if abs(value - round(value)) < 1e-9 else value


def _round(tick: float) -> str:
    """A round number, short."""
    return f"{tick:,.6g}" if tick == 0 or 1e-3 <= abs(tick) < 1e7 else f"{tick:.0e}"


def bars(what: Bars) -> str:
    """Horizontal bars of coloured parts, with their sums."""
    canvas = Canvas()
    canvas.text(12, 20, f"{what.title} ({what.unit})", bold=True)
    y = canvas.legend(what.parts, 40) if len(what.parts) > 1 else 34.0
    left = 24 + _CHARACTER * max(map(len, what.rows), default=0)
    across = Axis.of([sum(row) for row in what.rows.values()], left, WIDTH - 80, log=False)
    for name, row in what.rows.items():
        canvas.text(left - 8, y + 14, name, anchor="end")
        x = left
        for part, value, colour in zip(what.parts, row, colours(len(row)), strict=True):
            width = across.at(value) - across.begin
            canvas.box(x, y, width, 20, colour, f"{part}: {shown(_whole(value))} {what.unit}")
            x += width
        canvas.text(x + 6, y + 14, shown(_whole(sum(row))), dim=True)
        y += 27
    canvas.height = y + 8
    return canvas.document(what.title)


def timeline(what: Timeline) -> str:
    """Lanes with spans on one scale of ms; marks are thin boxes."""
    canvas = Canvas()
    canvas.text(12, 20, what.title, bold=True)
    kinds = list(dict.fromkeys(span.kind for span in what.spans))
    lanes: dict[str, list[Span]] = {}
    for span in what.spans:
        lanes.setdefault(span.lane, []).append(span)
    top = canvas.legend(kinds, 40)
    left = 24 + _CHARACTER * max(map(len, lanes), default=0)
    bottom = top + 26 * len(lanes)
    across = Axis.of([span.end for span in what.spans], left, WIDTH - 24, log=False)
    for tick in across.ticks():
        canvas.line(across.at(tick), top, across.at(tick), bottom)
        canvas.text(across.at(tick), bottom + 16, f"{tick:,.0f}", anchor="middle", dim=True)
    canvas.text((left + WIDTH) / 2, bottom + 32, "ms", anchor="middle", dim=True)
    colour_of = dict(zip(kinds, colours(len(kinds)), strict=True))
    for number, (name, spans) in enumerate(lanes.items()):
        y = top + 26 * number
        canvas.text(left - 8, y + 16, name, anchor="end")
        for span in spans:
            width = across.at(span.end) - across.at(span.begin)
            hint = f"{span.kind}: {span.begin:,.0f} ms" + (f" to {span.end:,.0f} ms" if width else "")
            canvas.box(across.at(span.begin), y + 3, width, 18, colour_of[span.kind], hint)
    canvas.height = bottom + 42
    return canvas.document(what.title)
