#!/usr/bin/env python3
"""Makes `src` out of the published cudarc: the modules that candle-core uses as they are, and of their bindings (`sys`) what these
modules and candle name, loaded late. Needs Python 3 and nothing else; README.md.

    python3 trim.py ~/.cargo/registry/src/*/cudarc-0.19.10
"""

import re
import shutil
import sys
from pathlib import Path

MODULES = ["cublas", "curand", "driver", "nvrtc"]
# The first of a major version serves every later one: interfaces of a driver and its libraries are added to.
VERSIONS = ["cuda-12000", "cuda-13000"]
# Named by candle-core and by prospect-cuda, not by the modules themselves.
ROOTS = {"CUstreamCaptureStatus", "CUdevice_attribute", "cudaDataType", "cudaDataType_t", "cublasGemmAlgo_t"}
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME = re.compile(r"(?:pub )?(?:unsafe )?(?:struct|enum|union|type|fn|const|static) (\w+)|pub use self::\w+ as (\w+)")
IMPLEMENTS = re.compile(r"impl (?:\w+ for )?(\w+)")
STATIC = "    #[cfg(not(feature = \"dynamic-loading\"))]\n"


def items(text):
    """Top-level items with their attributes: they begin and end at the first column, as rustfmt leaves them."""
    lines = text.splitlines(keepends=True)
    start, open_item = 0, False
    for index, line in enumerate(lines):
        attribute = line.startswith(("#", "//"))
        if not attribute and not open_item:
            open_item = True
        closes = line[0] not in " \t\n)" and line.rstrip().endswith((";", "}"))
        if open_item and closes:
            yield "".join(lines[start : index + 1])
            start, open_item = index + 1, False
    if start < len(lines):
        sys.exit(f"an item does not end: {lines[start]!r}")


def head(item):
    return next(line for line in item.splitlines() if not line.startswith(("#", "//")))


def loaded_late(item):
    """Without the half of a function that is for linking."""
    start = item.find(STATIC)
    while start >= 0:
        end = item.index("\n    }\n", start) + len("\n    }\n")
        item = item[:start] + item[end:]
        start = item.find(STATIC)
    return item


def of_versions(item):
    """For the versions that are kept, or nothing."""
    line, rest = item.split("\n", 1)
    versions = re.findall(r"\"(cuda-\d+)\"", line) if line.startswith("#[cfg(any(feature = \"cuda-") else VERSIONS
    kept = [version for version in VERSIONS if version in versions]
    if kept == VERSIONS:
        return rest if versions is not VERSIONS else item
    return "".join(f"#[cfg(feature = \"{version}\")]\n{rest}" for version in kept)


def trimmed(text, named):
    every = [loaded_late(item) for item in map(of_versions, items(text)) if item]
    places, always = {}, []
    for index, item in enumerate(every):
        line = head(item)
        name, implements = NAME.match(line), IMPLEMENTS.match(line)
        if name:
            places.setdefault(name[1] or name[2], []).append(index)
        elif implements:
            places.setdefault(implements[1], []).append(index)
        else:
            always.append(index)
    always += places.get("load", []) + places.get("culib", []) + places.get("is_culib_present", [])
    kept, new = set(), set(always)
    for name in named:
        new |= set(places.get(name, []))
    while new:
        kept |= new
        words = {word for index in new for word in WORD.findall(every[index])}
        new = {index for word in words for index in places.get(word, [])} - kept
    return "".join(every[index] for index in sorted(kept))


def main():
    upstream, here = Path(sys.argv[1]) / "src", Path(__file__).parent / "src"
    shutil.rmtree(here, ignore_errors=True)
    sources = [upstream / "lib.rs", upstream / "types.rs"]
    for module in MODULES:
        sources += [path for path in (upstream / module).rglob("*.rs") if path.parent.name != "sys"]
    texts = {path: path.read_text() for path in sources}
    # candle-core asks for it and does not use it.
    library = upstream / "lib.rs"
    texts[library] = texts[library].replace('#[cfg(feature = "cublaslt")]\npub mod cublaslt;\n', "")
    named = ROOTS | {word for text in texts.values() for word in WORD.findall(text)}
    for module in MODULES:
        path = upstream / module / "sys" / "mod.rs"
        texts[path] = trimmed(path.read_text(), named)
    for path, text in texts.items():
        target = here / path.relative_to(upstream)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


main()
