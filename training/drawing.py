"""How figures look: PNG files of 150 dpi in few colours, which the colour-blind can tell apart."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

DPI = 150

# Okabe and Ito's palette, https://jfly.uni-koeln.de/color/.
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#777777"


def save(figure: Figure, path: Path, colours: int = 256) -> None:
    """Write a figure as PNG, of so many colours, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, bbox_inches="tight", pad_inches=0.1)
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(colours, dither=Image.Dither.NONE).save(
        path, optimize=True, dpi=(figure.dpi, figure.dpi)
    )
