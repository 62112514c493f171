"""Bytes to pixels, and pixels to pictures."""

from app.imaging.quiet import silence

# Before they are imported. The last three are pydicom's where they are installed.
for _library in ("PIL", "pydicom", "pylibjpeg", "libjpeg", "openjpeg"):
    silence(_library)
