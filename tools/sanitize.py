"""Build the native module under a sanitizer and run tests with it: ``make sanitize``, or this file.

Usage: sanitize.py address|thread [PYTEST ARGUMENTS]. ``address`` includes UndefinedBehaviorSanitizer. The build and a
copy of the package are in ``build/sanitize-KIND``; the virtual environment is not changed. Any report of the sanitizer
ends the test process, so a run that passes had none. Leaks are not looked for: CPython frees little at exit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = {"address": "address,undefined", "thread": "thread"}
LIBRARIES = {"address": ("libasan.so", "libubsan.so", "libstdc++.so.6"), "thread": ("libtsan.so", "libstdc++.so.6")}
TESTS = {
    "address": (
        *(
            f"tests/{folder}"
            for folder in ("native", "storage", "index", "text", "filter", "segment", "models", "query")
        ),
        "tests/shard",
        "tests/fuzz",
        "tests/faults/test_concurrency.py",
    ),
    "thread": (
        "tests/faults/test_concurrency.py",
        "tests/native",
        "tests/index/test_hnsw_graph.py",
        "tests/index/test_hnsw_single.py",
        "tests/shard/test_optimize.py",
        "tests/shard/test_optimize_background.py",
    ),
}
SLOWER = {"address": "3", "thread": "10"}
"""How many times slower native code becomes, about (see tests/support/campaign.py)."""
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
    "TSAN_OPTIONS": "die_after_fork=0:halt_on_error=1:abort_on_error=1:history_size=4:"
    f"suppressions={ROOT}/tools/tsan.supp",
    "PYTHONMALLOC": "malloc",
}
CUSTOMIZE = """import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "edgeshard" not in getattr(finder, "known_source_files", {})]
"""


def build(kind: str) -> Path:
    """The directory to import the sanitized package from."""
    work = ROOT / "build" / f"sanitize-{kind}"
    tools = Path(sys.executable).parent
    cmake = str(tools / "cmake") if (tools / "cmake").exists() else "cmake"
    configure = [
        cmake, "-S", str(ROOT), "-B", str(work / "native"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
        f"-DEDGESHARD_SANITIZE={FLAGS[kind]}", f"-DPython_EXECUTABLE={sys.executable}",
    ]  # fmt: skip
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    for command in (configure, [cmake, "--build", str(work / "native")]):
        subprocess.run(command, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL)
    site = work / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "edgeshard", site / "edgeshard", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (work / "native").glob("_native*.so"):
        shutil.copy(module, site / "edgeshard")
    (site / "sitecustomize.py").write_text(CUSTOMIZE)
    return site


def main() -> int:
    """Build, then run; the exit status of pytest."""
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    if kind not in FLAGS:
        print(__doc__)
        return 2
    site = build(kind)
    found = [
        subprocess.run(["c++", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in LIBRARIES[kind]
    ]
    preload = [path for path in found if os.path.isabs(path)]
    environment = {**os.environ, **OPTIONS, "PYTHONPATH": str(site), "EDGESHARD_TEST_SLOWER": SLOWER[kind]}
    check = "import edgeshard, edgeshard._native as n, sys; sys.exit('sanitize-' not in n.__file__)"
    run = {**environment, "LD_PRELOAD": os.pathsep.join(preload)}
    subprocess.run([sys.executable, "-c", check], check=True, env=run)
    tests = sys.argv[2:] or [path for path in TESTS[kind] if (ROOT / path).exists()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-s",
        "-p",
        "no:cacheprovider",
        *tests,
    ]  # -s: or the report is lost
    return subprocess.run(command, env=run, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
