"""Sample films: stars that turn about the pole above dark hills, and a slow chord."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 1280, 720  # pixels
FRAME_RATE = 24
DURATION = 10  # seconds
TURN = 0.035  # radians per second; anticlockwise, as it is seen north of the equator
TIMEOUT = 300  # seconds

# One frame that is repeated: whatever does not move is computed once.
STILL = f"r={FRAME_RATE}:d={0.9 / FRAME_RATE:.4f}"
REPEAT = "loop=-1:1"
DISC = "clip(76 - hypot(X - 80, Y - 80), 0, 1)"

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What makes one film differ from the next."""

    seed: int
    """Hour of the night, shape of the hills, and the chord."""

    zenith: Colour
    horizon: Colour
    band: Colour
    """Light that the Milky Way adds, in the middle of its band."""

    tilt: float
    """Slope of the band."""

    moon: tuple[int, int] | None = None
    """Left and upper edge of a half Moon, in pixels."""


def draw_film(ffmpeg: str, sky: Sky, path: Path) -> None:
    """
    Draw the film of *sky* at *path*, whole or not at all.

    Raises:
        subprocess.CalledProcessError: ffmpeg failed; ``stderr`` says why.
    """
    part = path.with_suffix(".part.mp4")
    command = [
        ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y",
        "-filter_complex", filter_graph(sky), "-map", "[picture]", "-map", "[sound]",
        "-t", str(DURATION), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "21",
        "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart",
        str(part),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def filter_graph(sky: Sky) -> str:
    """Return the description of the film for ffmpeg's ``-filter_complex``."""
    steps = [f"{_stars(sky)}[stars]", f"{_air(sky)}[air]", f"{_hills(sky)}[hills]"]
    stars, night = "stars", "night"
    if sky.moon:
        # No star shines through the night side of the Moon, which has the colour of the air.
        left, top = sky.moon
        place = f"x={left}:y={top}"
        steps += [f"{_shape('black', '160x160', alpha=DISC)}[hole]", f"{_moon()}[moon]"]
        steps.append(f"[stars][hole]overlay={place}[hidden]")
        stars = "hidden"
    # Only brightness is mixed; the colour of the night stays that of the air.
    steps.append(f"[air][{stars}]blend=c0_mode=screen:c1_mode=normal:c2_mode=normal[night]")
    if sky.moon:
        steps.append(f"[night][moon]overlay={place}[moonlit]")
        night = "moonlit"
    steps.append(
        f"[{night}][hills]overlay=y=H-h,trim=duration={DURATION},"
        f"fade=in:d=0.6,fade=out:st={DURATION - 0.9}:d=0.9[picture]"
    )
    steps.append(f"{_sound(sky)}[sound]")
    return ";".join(steps)


def _stars(sky: Sky) -> str:
    # Turned at half size: that is a quarter of the work, and stars have no edges to lose.
    return (
        f"color=black:s=736x736:{STILL},format=gray,"
        "geq=lum='if(gt(random(1), 0.9978), 60 + 195 * pow(random(2), 3), 0)',"
        f"gblur=sigma=0.55,lutyuv=y='clip(val * 2.2, 0, 255)',{REPEAT},"
        f"rotate=a='{sky.seed} - t * {TURN}':ow={WIDTH // 2}:oh={HEIGHT // 2},lagfun=decay=0.97,"
        f"scale={WIDTH}:{HEIGHT}:flags=bicubic,format=yuv420p"
    )


def _air(sky: Sky) -> str:
    distance = f"(Y - H * 0.45 + (X - W * 0.5) * {sky.tilt}) / (H * 0.3)"
    channels = ":".join(
        f"{name}='{low} + {high - low} * pow(Y / H, 1.8) + {glow} * exp(-pow({distance}, 2))'"
        for name, low, high, glow in zip("rgb", sky.zenith, sky.horizon, sky.band, strict=True)
    )
    return (
        f"color=black:s=320x180:{STILL},format=gbrp,geq={channels},"
        f"scale={WIDTH}:{HEIGHT}:flags=bicubic,format=yuv420p,{REPEAT}"
    )


def _hills(sky: Sky) -> str:
    waves = ((28, 170, sky.seed), (14, 61, 2 * sky.seed), (6, 23, 0))
    top = " + ".join(f"{size} * sin(X / {length} + {at})" for size, length, at in waves)
    return _shape("0x06070f", f"{WIDTH}x150", alpha=f"(Y - 58 - ({top})) / 2")


def _moon() -> str:
    lit = "clip((X - 76) / 16, 0, 1)"
    seas = " - ".join(
        f"{depth} * exp(-(pow(X - {x}, 2) + pow(Y - {y}, 2)) / {size})"
        for depth, x, y, size in ((46, 112, 62, 170), (36, 128, 84, 110), (30, 100, 96, 90))
    )
    return _shape("0xf6edd8", "160x160", light=f"lum(X, Y) - {seas}", alpha=f"{DISC} * {lit}")


def _shape(colour: str, size: str, *, alpha: str, light: str = "lum(X, Y)") -> str:
    return (
        f"color={colour}:s={size}:{STILL},format=yuva420p,"
        f"geq=lum='{light}':cb='cb(X, Y)':cr='cr(X, Y)':a='255 * clip({alpha}, 0, 1)',{REPEAT}"
    )


def _sound(sky: Sky) -> str:
    root = 220 * 2 ** ((sky.seed % 5) / 12)  # hertz
    tones = [root, root * 3 / 2, root * 2, root * 5 / 4]
    voices = [
        f"{0.12 - 0.02 * at:.2f} * sin(2*PI*{tone:.3f}*t)"
        f" * (0.6 + 0.4 * sin(2*PI*{0.11 + 0.06 * at:.2f}*t + {at}))"
        for at, tone in enumerate(tones)
    ]
    left, right = " + ".join(voices[:3]), " + ".join([voices[0], voices[3], voices[1]])
    return (
        f"aevalsrc='{left}|{right}':s=44100:d={DURATION},"
        f"afade=in:d=1,afade=out:st={DURATION - 1.5}:d=1.5"
    )
