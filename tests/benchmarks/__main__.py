"""``python -m tests.benchmarks [NAME …] [--tiny]``: a table of some, or all."""

from __future__ import annotations

import argparse

from . import bench_claims, bench_rpc, bench_sign, bench_tags, bench_upload, bench_verify

BENCHMARKS = {
    "sign": bench_sign.rows,
    "verify": bench_verify.rows,
    "tags": bench_tags.rows,
    "claims": bench_claims.rows,
    "rpc": bench_rpc.rows,
    "upload": bench_upload.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(BENCHMARKS), help="all by default")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in options.names or BENCHMARKS:
        for row in BENCHMARKS[name](tiny=options.tiny):
            print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
