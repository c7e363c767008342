"""The entry point of a peer: CASE_DIR --out FILE.json, and the result as `onedispatch import` reads it."""

import argparse
import ctypes
import datetime
import hashlib
import json
import platform
import sys
from pathlib import Path

from .case import Case
from .timing import measure

FORMAT = "onedispatch-result-1"
SOURCES = {".py", ".cu", ".cuh", ".cpp", ".h", ".sh", ".txt", ".rs", ".toml", ".lock"}


def main(peer, room, variants, describe, objection, read=Case):
    """`peer` is its name and `room` its folder. variants(case, device) gives every variant; describe(device) gives
    (name of the device as the framework reports it, versions by name); objection(device) says why this machine cannot
    run the peer, "" where it can; read(directory) gives the case."""
    parser = argparse.ArgumentParser(description=f"Measures the peer {peer} on one exported case.")
    parser.add_argument("case", metavar="CASE_DIR", nargs="?", help="a directory that `onedispatch export` wrote")
    parser.add_argument("--out", metavar="FILE.json", help="where the result goes")
    parser.add_argument("--variants", metavar="A,B", help="only these [default: all]")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to see that outputs are right")
    parser.add_argument("--prepare-limit", metavar="S", type=float, default=240, help="seconds a variant may compile")
    parser.add_argument("--build", action="store_true", help="only fill the compilers' caches; measures nothing")
    parser.add_argument("--can-run", metavar="DEVICE", help="only say whether this machine can run the peer, and why not")
    args = parser.parse_args()
    if args.can_run:
        sys.exit(objection(args.can_run) or 0)
    if not args.case:
        parser.error("CASE_DIR is missing: `onedispatch export SPEC --out DIR` writes some")
    if not args.out and not args.build:
        parser.error("--out FILE.json is missing: where is the result to go?")

    case = read(args.case)
    chosen = list(variants(case, args.device)) if case.is_known else []
    if not chosen:
        print(f"{case.name} {peer}: has no variant for this case")
        return
    if args.variants:
        names = args.variants.split(",")
        unknown = set(names) - {variant.name for variant in chosen}
        if unknown:
            there = ", ".join(variant.name for variant in chosen)
            raise SystemExit(f"no variant is called {', '.join(sorted(unknown))}; on {args.device} there are {there}")
        chosen = [variant for variant in chosen if variant.name in names]
    if args.build:
        for variant in chosen:
            variant.prepare()
            variant.run()
        return
    results = measure(case, chosen, args.prepare_limit)
    name, versions = describe(args.device)
    report = {
        "format": FORMAT,
        "peer": peer,
        "source_sha256": source_sha256(room),
        "case": case.name,
        "experiment": case.spec["experiment"],
        "spec_sha256": case.spec["spec_sha256"],
        "weights_sha256": case.spec["weights_sha256"],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "device": {"name": name, "driver": driver() if args.device == "cuda" else ""},
        "versions": {"python": platform.python_version(), **versions},
        "results": results,
    }
    # Replaced whole: a result that was cut short must not look like one.
    out = Path(args.out)
    new = out.with_name(out.name + ".new")
    new.write_text(json.dumps(report, indent=1) + "\n")
    new.replace(out)
    for result in results:
        if result["samples_ns"]:
            median = sorted(result["samples_ns"])[len(result["samples_ns"]) // 2]
            print(f"{case.name} {peer} {result['variant']}: {result['units'] / median * 1e9:.0f} {case.unit}/s")
        else:
            print(f"{case.name} {peer} {result['variant']}: {result['reason']}")
    if not any(result["samples_ns"] for result in results):
        sys.exit(1)


def source_sha256(room):
    """Over the lines that sha256sum prints for the peer's files and those of this folder, sorted by path."""
    here, room = Path(__file__).resolve().parent, Path(room).resolve()
    root = here.parent
    # `src` is a crate's.
    files = [path for folder in (here, room, room / "src") for path in folder.glob("*")]
    files = sorted(path.relative_to(root).as_posix() for path in files if path.suffix in SOURCES)
    lines = (f"{hashlib.sha256((root / file).read_bytes()).hexdigest()}  {file}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def nvml():
    """NVML, ready to be asked; None where there is none."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


def driver():
    """The display driver's version as NVML gives it, "" where there is none."""
    library, version = nvml(), ctypes.create_string_buffer(96)
    if not library or library.nvmlSystemGetDriverVersion(version, 96):
        return ""
    return version.value.decode()


def device_name():
    """The first NVIDIA GPU's name as NVML gives it, for a framework that does not tell; "" where there is none."""
    library, name, handle = nvml(), ctypes.create_string_buffer(96), ctypes.c_void_p()
    if not library or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) or library.nvmlDeviceGetName(handle, name, 96):
        return ""
    return name.value.decode()


def host_of(device):
    """For a peer that runs on the CPU: the GPU whose host it is, so that its rows stand beside that GPU's."""
    return "cpu" if device == "cpu" else device_name()
