"""The protocol of src/core/protocol.rs: warm-up by time until it settles, samples interleaved in a seeded order.

A variant is one way in which a peer does the work. It has a `name`, `settings` (a dictionary for the result), and

    prepare()   compiles, captures, allocates; may raise
    run()       makes all tokens or steps, waits for them, and returns the wall time in nanoseconds
    output()    what the last run made, as `case.judge` takes it: (new tokens, last logits), or (outcome, single steps)
    judge()     of an output, as `case.judge`: where a variant is held to another oracle; may be left out
"""

import signal
import statistics
import sys
import time
import traceback

SETTLED = 0.05
PATIENCE = 4.0


class TookTooLong(Exception):
    pass


def measure(case, variants, prepare_limit_s):
    """One dictionary for each variant: checked, warmed up, timed, and checked again. A variant that fails has its
    reason and no samples, and does not keep the others from being measured."""
    protocol = case.spec["protocol"]
    results = [dict(variant=variant.name, settings=variant.settings, samples_ns=[], reason="") for variant in variants]
    counts = [0] * len(variants)
    for index, (variant, result) in enumerate(zip(variants, results)):
        begin = time.perf_counter()
        try:
            with limit(prepare_limit_s, f"not ready within {prepare_limit_s:.0f} s"):
                variant.prepare()
                variant.run()
            result["prepare_s"] = time.perf_counter() - begin
            # Preparing is what finds out the best ones.
            result["settings"] = variant.settings
            verdict(case, variant, result)
            if not result["reason"]:
                counts[index], result["cap"] = samples_within_cap(protocol, warm_up(protocol, variant.run))
        except Exception as error:
            failed(result, error)
        say(case, result, time.perf_counter() - begin)

    for index in interleaved(counts, protocol["seed"]):
        variant, result = variants[index], results[index]
        if result["reason"]:
            continue
        try:
            result["samples_ns"].append(variant.run())
            if len(result["samples_ns"]) == counts[index]:
                verdict(case, variant, result)
        except Exception as error:
            failed(result, error)
    for result in results:
        if result["reason"]:
            result["samples_ns"] = []
    return results


def verdict(case, variant, result):
    made, result["check_error"], result["reason"] = getattr(variant, "judge", case.judge)(variant.output())
    result.update(made)


def failed(result, error):
    traceback.print_exc()
    result["reason"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def say(case, result, elapsed_s):
    print(f"{case.name} {result['variant']}: {result['reason'] or 'right'} ({elapsed_s:.1f} s)", file=sys.stderr)


def warm_up(protocol, run):
    """Runs until `warmup_s` have gone by and the last three runs are as fast as the three before; gives the median of
    the last three, in ns."""
    times, elapsed_s = [], 0.0
    while True:
        times.append(run())
        elapsed_s += times[-1] * 1e-9
        typical = statistics.median(times[-3:])
        before = times[:-3][-3:]
        settled = len(before) == 3 and abs(statistics.median(before) / typical - 1) < SETTLED
        long_enough = elapsed_s >= protocol["warmup_s"]
        if long_enough and (settled or len(times) == 1 or elapsed_s >= PATIENCE * protocol["warmup_s"]):
            return typical


def samples_within_cap(protocol, typical_ns):
    """How many samples fit the cap, and why there are fewer than planned ("" where there are not)."""
    planned, fewest, cap_s = protocol["samples"], protocol["fewest_samples"], protocol["arm_cap_s"]
    samples = min(max(int(cap_s / (typical_ns * 1e-9)), fewest), planned)
    if samples == planned:
        return samples, ""
    return samples, f"{samples} of {planned} samples, since more would take over {cap_s:g} s"


def interleaved(counts, seed):
    """Variant i counts[i] times: round by round, each round in a new order drawn from the seed (Fisher-Yates)."""
    order = []
    for at in range(max(counts, default=0)):
        arms = [index for index, count in enumerate(counts) if at < count]
        for last in range(len(arms) - 1, 0, -1):
            other = philox4x32([at, last, 0, 0], seed)[0] * (last + 1) >> 32
            arms[last], arms[other] = arms[other], arms[last]
        order += arms
    return order


def philox4x32(counter, seed):
    """Philox4x32-10 (Salmon et al., SC 2011) under the key [seed mod 2^32, seed / 2^32]."""
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        low = 0xFFFFFFFF
        counter = [b >> 32 ^ counter[1] ^ key[0], b & low, a >> 32 ^ counter[3] ^ key[1], a & low]
        key = [key[0] + 0x9E3779B9 & low, key[1] + 0xBB67AE85 & low]
    return counter


def timed(work):
    """Wall time of work(), which waits for what it started, in nanoseconds."""
    begin = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begin


class limit:
    """Raises `TookTooLong` where a block takes more than so many seconds."""

    def __init__(self, seconds, message):
        self.seconds, self.message = seconds, message

    def __enter__(self):
        def ring(*_):
            raise TookTooLong(self.message)

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
