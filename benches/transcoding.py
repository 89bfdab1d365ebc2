"""transcoding.py DOCS: what it costs to make a `str` of each text and to read it back, over what it costs CPython.

The transcoder is no part of the package's interface, so its files are built into an extension module of their own.
"""

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
# The first so many documents, which are of all kinds.
DOCUMENTS = 30_000
ROUNDS = 7


def _build(folder: Path) -> ModuleType:
    """Build the extension module in a folder, and import it."""
    shutil.copytree(ROOT / "benches" / "transcoding", folder, dirs_exist_ok=True)
    for part in ("simd/transcode.rs", "simd/transcode", "python/text.rs"):
        source, target = ROOT / "src" / part, folder / "src" / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    environment = os.environ | {
        "PYO3_PYTHON": sys.executable,
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "CARGO_TARGET_DIR": str(folder / "target"),
    }
    cargo = shutil.which("cargo") or "cargo"
    subprocess.run([cargo, "build", "--release", "--quiet"], cwd=folder, env=environment, check=True)
    library = folder / "transcoding.so"
    shutil.copy(folder / "target" / "release" / "libtranscoding.so", library)
    specification = importlib.util.spec_from_file_location("transcoding", library)
    if specification is None or specification.loader is None:
        message = f"{library} cannot be imported."
        raise SystemExit(message)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def main() -> None:
    """Build, measure, and say the ratio."""
    texts = []
    with Path(sys.argv[1]).open(encoding="utf-8", newline="\n") as lines:
        for line, _ in zip(lines, range(DOCUMENTS), strict=False):
            texts.append(json.loads(line)["text"])
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-") as folder:
        compare = _build(Path(folder)).compare
        ratios = {}
        for name, chosen in (
            ("texts that are not ASCII", [text for text in texts if not text.isascii()]),
            ("all texts", texts),
        ):
            measured = [compare(chosen) for _ in range(ROUNDS)]
            ratios[name] = statistics.median((run[2] + run[3]) / (run[0] + run[1]) for run in measured)
            python_in, python_out, our_in, our_out = (
                statistics.median(column) for column in zip(*measured, strict=True)
            )
            print(
                f"{name:<26} CPython {python_in:6.0f} + {python_out:5.0f} ns a text, "
                f"ours {our_in:6.0f} + {our_out:5.0f} ns, ratio {ratios[name]:.2f}"
            )
    print(json.dumps({"transcoding": ratios["all texts"]}))


main()
