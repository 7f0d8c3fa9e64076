"""The long run of the fuzzer: `python -m tests.fuzz --count 200000 --processes 2 --seed 1`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter

from tests.fuzzing import Found, fuzz, good

BATCH = 500
"""Cases that a process takes at once."""


def batch(seed: int, first: int) -> tuple[int, list[Found]]:
    """How many answers a batch of cases spoilt, and what crashed."""
    count, crashes = 0, []
    for spoilt, found in fuzz(seed, range(first, first + BATCH)):
        count += spoilt
        if found is not None:
            crashes.append(found)
    return count, crashes


def main(arguments: Sequence[str] | None = None) -> int:
    """Spoil answers until there are `--count` of them; 1 where anything crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200_000, help="answers to spoil")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only the case of this number, with its trace")
    given = parser.parse_args(arguments)
    if given.case is not None:
        [(_, found)] = fuzz(given.seed, [given.case])
        print(found.trace if found else "no crash")
        return int(found is not None)
    started, count, first = perf_counter(), 0, 0
    crashes: list[Found] = []
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn"), initializer=good) as pool:
        while count < given.count:
            wave = [pool.submit(batch, given.seed, first + BATCH * each) for each in range(given.processes)]
            first += BATCH * given.processes
            for work in wave:
                spoilt, broken = work.result()
                count += spoilt
                for crash in broken:
                    print(f"case {crash.number}: {crash.what}", flush=True)
                crashes += broken
            rate = count / (perf_counter() - started)
            print(
                f"{count} spoilt answers, {len(crashes)} crashes, {rate:.0f}/s", file=sys.stderr, flush=True
            )
    seconds = perf_counter() - started
    print(
        f"{count} spoilt answers in {first} cases, seed {given.seed}: {len(crashes)} crashes, "
        f"{seconds:.0f} s, {count / seconds:.0f}/s"
    )
    return int(bool(crashes))


if __name__ == "__main__":
    sys.exit(main())
