"""The reliability diagram as SVG: what was forecast against what came, with intervals and how many."""

from collections.abc import Sequence
from html import escape

from strategies.calibration import Bin

SIDE, LEFT, TOP, COUNTS = 320, 52, 34, 60  # pixels: the square, its margins, and the strip of counts below it
RADIUS = 3.5
COLOURS = ("#1b5fb4", "#9a5200", "#13733f", "#596676")  # read on light and on dark paper


def reliability_picture(series: Sequence[tuple[str, Sequence[Bin]]], *, title: str) -> str:
    """Draw forecasts against what came true.

    Parameters
    ----------
    series : Sequence[tuple[str, Sequence[Bin]]]
        Name and bins of each convention; the first one's counts are drawn below. At most as many as there are colours.
    title : str

    Returns
    -------
    str
        One svg element, without script and without references to anything outside it.

    Notes
    -----
    On the diagonal a forecast came true as often as it said. Bars are the bins' intervals.
    Source: J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 22
    (2007) 651-661.
    """
    width, height = LEFT + SIDE + 20, TOP + SIDE + COUNTS + 62 + 16 * len(series)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="11" fill="#808a96">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
        *_frame(),
    ]
    for number, (name, bins) in enumerate(series):
        colour = COLOURS[number]
        parts += _points(bins, colour)
        parts += _legend(number, name, colour)
    if series:
        parts += _counts(series[0][1], COLOURS[0])
    return "\n".join([*parts, "</svg>"])


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return TOP + SIDE * (1.0 - share)


def _frame() -> list[str]:
    lines = [
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#808a96"/>',
        f'<line x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" y2="{_y(1):.1f}" stroke="#808a96" '
        'stroke-dasharray="4 4"/>',
    ]
    for tenth in range(0, 11, 2):
        share = tenth / 10
        lines.append(f'<text x="{_x(share):.1f}" y="{TOP + SIDE + 14}" text-anchor="middle">{share:.1f}</text>')
        lines.append(f'<text x="{LEFT - 6}" y="{_y(share) + 4:.1f}" text-anchor="end">{share:.1f}</text>')
    middle = TOP + SIDE / 2
    lines.append(f'<text x="{_x(0.5):.1f}" y="{TOP + SIDE + 30}" text-anchor="middle">forecast</text>')
    lines.append(f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">came true</text>')
    return lines


def _points(bins: Sequence[Bin], colour: str) -> list[str]:
    path = " ".join(f"{_x(each.forecast):.1f},{_y(each.realised):.1f}" for each in bins)
    lines = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>']
    for each in bins:
        x = _x(each.forecast)
        lines.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_y(each.interval_low):.1f}" y2="{_y(each.interval_high):.1f}" '
            f'stroke="{colour}" stroke-opacity="0.6"/>'
        )
        said = f"{each.count} forecasts of {each.forecast:.3f}: {each.realised:.3f} came true"
        lines.append(
            f'<circle cx="{x:.1f}" cy="{_y(each.realised):.1f}" r="{RADIUS}" fill="{colour}">'
            f"<title>{said}</title></circle>"
        )
    return lines


def _counts(bins: Sequence[Bin], colour: str) -> list[str]:
    most, floor = max((each.count for each in bins), default=1), TOP + SIDE + 40 + COUNTS
    lines = []
    for each in bins:
        tall = COUNTS * each.count / most
        lines.append(
            f'<rect x="{_x(each.low) + 1:.1f}" y="{floor - tall:.1f}" width="{SIDE * (each.high - each.low) - 2:.1f}" '
            f'height="{tall:.1f}" fill="{colour}" fill-opacity="0.35"><title>{each.count} forecasts</title></rect>'
        )
    return lines


def _legend(number: int, name: str, colour: str) -> list[str]:
    y = TOP + SIDE + COUNTS + 58 + 16 * number
    return [
        f'<circle cx="{LEFT + 5}" cy="{y - 4}" r="{RADIUS}" fill="{colour}"/>',
        f'<text x="{LEFT + 14}" y="{y}">{escape(name)}</text>',
    ]
