"""Take out of an environment what the service never loads: `python slim.py SITE_PACKAGES`.

The Dockerfile runs it once all is installed. What it takes out was found by measuring the layer;
that nothing is missed is what `tests/deploy/test_image.py` asks the image. Licences stay.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

# For who compiles against a package, checks its types or tests it.
_DEVELOPMENT = (
    *(f"**/*.{suffix}" for suffix in ("a", "c", "cpp", "h", "hpp", "pc", "pxd", "pyi", "pyx")),
    "**/tests",
    "**/test_data",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",
    "numpy/f2py",
    "openvino/include",
    "openvino/cmake",
    "pydicom/data/test_files",
)

# OpenVINO reads its own format, and the SavedModel where a CPU has no instructions for 8 bits; it
# computes on the CPU.
_OPENVINO = (
    *(
        f"openvino/libs/libopenvino_{name}.so*"
        for name in (
            "auto_batch_plugin",
            "auto_plugin",
            "c",
            "gguf_frontend",
            "hetero_plugin",
            "intel_gpu_plugin",
            "intel_npu_plugin",
            "jax_frontend",
            "onnx_frontend",
            "paddle_frontend",
            "pytorch_frontend",
            "tensorflow_lite_frontend",
        )
    ),
    # Compiled kernels of the GPU plugin.
    "openvino/libs/cache.json",
    "openvino/frontend/*/",
    # They convert models.
    "openvino/tools",
    "openvino/torch",
)

# No text is drawn, AVIF is none of the formats that are read, Python is the one language whose
# source is ever coloured, and traces go to no service of Google's.
_OTHERS = (
    *(
        f"google/{name}"
        for name in ("api", "cloud", "gapic", "logging", "longrunning", "rpc", "type")
    ),
    "PIL/_avif.*.so",
    "PIL/_imagingft.*.so",
    "PIL/_imagingtk.*.so",
    "pygments/lexers/[!_p]*.py",
    "pygments/lexers/p[!y]*.py",
)

# 7 MB of spaces.
_INDENTED = "highdicom/_standard/*.json"

# Of imagecodecs' codecs: PackBits (imcd), JPEG, JPEG-LS, and what these share.
_CODECS = re.compile(r"_(imcd|jpeg8|jpegls|shared|shared_cython)\.")


def slim(site: Path) -> None:
    """Take it out of a `site-packages`."""
    for pattern in (*_DEVELOPMENT, *_OPENVINO, *_OTHERS):
        for path in sorted(site.glob(pattern)):
            _remove(path)
    for path in site.glob("imagecodecs/_*.so"):
        if not _CODECS.match(path.name):
            path.unlink()
    _remove_orphans(site)
    for path in site.glob(_INDENTED):
        path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))
    for path in _libraries(site):
        subprocess.run(["strip", "--strip-unneeded", path], check=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_orphans(site: Path) -> None:
    """Remove the libraries that a wheel brought, and that nothing asks for any more."""
    brought = {path.name: path for path in site.glob("*.libs/*.so*")}
    waiting = [path for path in _libraries(site) if path not in brought.values()]
    while waiting:
        waiting += [brought.pop(name) for name in _needs(waiting.pop()) if name in brought]
    for path in brought.values():
        path.unlink()


def _needs(library: Path) -> list[str]:
    told = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", told.stdout)


def _libraries(site: Path) -> Iterator[Path]:
    for path in site.rglob("*.so*"):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
