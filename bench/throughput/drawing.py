"""A bar for each row as SVG, by hand: one small picture needs no library."""

import statistics
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _NAMES, _ROW, _TOP = 860, 330, 28, 44


def drawn(title: str, rows: Mapping[str, Sequence[float]]) -> str:
    """Bars as long as the medians, with a line over the range of each."""
    scale = (_WIDTH - _NAMES - 80) / max(max(figures) for figures in rows.values())
    parts = [f'<text x="10" y="24" font-weight="bold">{escape(title)}</text>']
    for number, (name, figures) in enumerate(rows.items()):
        y, median = _TOP + number * _ROW, statistics.median(figures)
        low, high = (_NAMES + scale * figure for figure in (min(figures), max(figures)))
        parts += [
            f'<text x="{_NAMES - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_NAMES}" y="{y}" width="{scale * median:.1f}" height="20" fill="#4a7ebb"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 10}" y2="{y + 10}" stroke="#222"/>',
            f'<text x="{high + 8:.1f}" y="{y + 15}">{median:.0f}</text>',
        ]
    height = _TOP + len(rows) * _ROW + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
