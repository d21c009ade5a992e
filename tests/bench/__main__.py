"""``./dev bench``: every figure that the project claims, measured side by side in this sitting.

    ./dev bench [--pairs N] [NAME]...

A figure that falls short is printed as such. Nothing here is a test: a noisy machine proves nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.pairs import BenchError, Command, compare, verdict
from tests.bench.pki import PEER, bench_chain, bench_crls, bench_issue, bench_revocation, bench_sign
from tests.bench.specimens import MEBIBYTE, make_peer_signature, make_specimen
from tests.demo.programs import SCRIPTS, clean_environment

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_VERIFY_RATIO = 0.25
MAX_MEMORY = 120.0
MAX_DEMO_SECONDS = 60.0
# The registry's limit is 20 MiB for the sealed archive; this leaves room for the manifest.
LARGE = 20 * MEBIBYTE - 64 * 1024


def bench_verify(folder: Path, pairs: int) -> None:
    """Measure ``skillpkg verify`` cold on 1 MB against ``model_signing verify certificate`` on the same bytes."""
    if not PEER.is_file():
        raise BenchError("model_signing is not installed - run this by ./dev bench")
    specimen = make_specimen(folder / "ours", size=MEBIBYTE)
    words = make_peer_signature(folder / "peer", specimen.package, peer=PEER)
    environment = clean_environment({"HOME": str(folder)})
    ours = Command(
        name="skillpkg verify", words=[SCRIPTS / "skillpkg", *specimen.words], environment=environment, cwd=folder
    )
    theirs = Command(name="model_signing verify", words=[PEER, *words], environment=environment, cwd=folder)
    ratio = compare(ours, theirs, pairs=pairs)
    print(f"verify, cold, 1 MiB: {ratio.seconds_a * 1000:.0f} ms; model_signing {ratio.seconds_b * 1000:.0f} ms")
    print(
        f"  ratio {ratio.median:.2f} (median of {ratio.pairs} pairs, {ratio.low:.2f} to {ratio.high:.2f})"
        f" - {verdict(ratio.median, most=MAX_VERIFY_RATIO)}"
    )


def bench_memory(folder: Path, pairs: int) -> None:
    """Measure the peak memory of ``skillpkg verify`` on a package as large as a registry serves."""
    specimen = make_specimen(folder / "large", size=LARGE)
    command = Command(
        name="skillpkg verify",
        words=[SCRIPTS / "skillpkg", *specimen.words],
        environment=clean_environment({"HOME": str(folder)}),
        cwd=folder,
    )
    peaks = [command.peak_mebibytes() for _ in range(max(3, pairs // 5))]
    size = specimen.package.stat().st_size / MEBIBYTE
    print(f"verify, {size:.1f} MiB: peak memory {max(peaks):.0f} MiB - {verdict(max(peaks), most=MAX_MEMORY)}")


def bench_demo(folder: Path, _pairs: int) -> None:
    """Measure the demonstration; everything it needs is installed already."""
    command = Command(
        name="demo",
        words=[sys.executable, "-m", "tests.demo", "--keep", folder / "kept"],
        environment=clean_environment(),
        cwd=REPOSITORY,
    )
    started = time.perf_counter()
    command.run()
    seconds = time.perf_counter() - started
    steps = json.loads((folder / "kept" / "demo.json").read_text())["steps"]
    print(f"demo: {seconds:.0f} s for {len(steps)} steps - {verdict(seconds, most=MAX_DEMO_SECONDS)}")
    for step in sorted(steps, key=lambda step: -step["seconds"])[:5]:
        print(f"  {step['seconds']:5.1f} s  {step['name']}")


BENCHES: dict[str, Callable[[Path, int], None]] = {
    "verify": bench_verify,
    "memory": bench_memory,
    "demo": bench_demo,
    "chain": bench_chain,
    "issue": bench_issue,
    "crls": bench_crls,
    "revocation": bench_revocation,
    "sign": bench_sign,
}


def main() -> int:
    """Run the benches asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of runs (default 15)")
    parser.add_argument("benches", nargs="*", metavar="|".join(BENCHES), help="what to measure (default: all)")
    options = parser.parse_args()
    unknown = set(options.benches) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for name in options.benches or BENCHES:
        with tempfile.TemporaryDirectory(prefix="skreg-bench-") as folder:
            try:
                BENCHES[name](Path(folder), options.pairs)
            except BenchError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
