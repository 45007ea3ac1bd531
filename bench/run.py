"""``make bench``: other servers beside this one, and how this one scales.

python -m bench.run                     the comparison, about 25 minutes
python -m bench.run --quick             a first impression, about 2 minutes
python -m bench.run --scaling           this server's curves, 12 minutes at most
python -m bench.run --only gameserver,node_ws,floor_tick --sizes 800
python -m bench.run --scaling --curves slow_readers,tls
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from bench import machine, source, toolbox
from bench.compare import Bench, Plan, compare, search_limits
from bench.curves import CURVES
from bench.own_server import OwnServer
from bench.report import markdown
from bench.results import Entry, Results, load, save
from bench.scaling import scale
from bench.scaling_report import plot_data, scaling_markdown
from bench.subjects import FLOOR, OWN, Subject, subjects, versions
from gameserver.devstack.process import DevstackError

_FILES_NEEDED = 20_000
_QUICK = Plan(sizes=(400,), repetitions=1, searches=0, warmup_s=4.0, seconds=3.0)
_CURVE = Plan(searches=0, warmup_s=2.5, seconds=3.0)
"""Many points instead of long ones: they show how a cost moves, not how many players fit."""
_PLOT_TIMEOUT_S = 120


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (machine.Unfit, source.Changed, toolbox.Missing, DevstackError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured is kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="one short repetition, no search")
    parser.add_argument("--scaling", action="store_true", help="curves instead of the comparison")
    parser.add_argument("--curves", default=",".join(CURVES), help="of --scaling; all by default")
    parser.add_argument("--minutes", type=float, default=12.0, help="for --scaling; default: 12")
    parser.add_argument(
        "--congestion", default=machine.USUAL_CONGESTION, help="TCP congestion control of all"
    )
    parser.add_argument("--only", default="", help="keys of servers, with commas")
    parser.add_argument("--sizes", default="", help="numbers of clients, with commas")
    parser.add_argument("--repetitions", type=int, help="default: 3")
    parser.add_argument("--searches", type=int, help="for the most clients; default: 2")
    parser.add_argument("--seconds", type=float, help="measured each time; default: 6")
    parser.add_argument("--out", type=Path, help="where results go; default: bench/results")
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    base = _QUICK if arguments.quick else _CURVE if arguments.scaling else Plan()
    given = arguments.repetitions, arguments.searches, arguments.seconds
    repetitions, searches, seconds = given
    return Plan(
        sizes=tuple(int(size) for size in arguments.sizes.split(",") if size) or base.sizes,
        repetitions=base.repetitions if repetitions is None else repetitions,
        searches=base.searches if searches is None else searches,
        warmup_s=base.warmup_s,
        seconds=base.seconds if seconds is None else seconds,
    )


def _run(arguments: argparse.Namespace) -> int:
    began, plan, where = time.monotonic(), _plan(arguments), machine.place()
    _allow_files(_FILES_NEEDED)
    out = arguments.out or (
        toolbox.BUILD / "quick" if arguments.quick else toolbox.BENCH / "results"
    )
    generator = toolbox.compile_c("loadgen")
    own = OwnServer(toolbox.BUILD / "run", place=where)
    with machine.congestion(arguments.congestion) as congestion, closing(own):
        own.open()
        results = load(out / "latest.json") if arguments.scaling else Results()
        bench = Bench(
            generator=generator,
            place=where,
            results=results,
            mint=own.mint,
            keep=lambda: save(results, out / "latest.json"),
            check=source.Guard().check,
        )
        facts = {**machine.facts(), "TCP congestion control": congestion, **source.facts()}
        if arguments.scaling:
            results.scaling_machine = {**facts, **_method(plan)}
            curves = _curves(arguments.curves)
            scale(bench, own, plan, curves, limit_s=60 * arguments.minutes)
        else:
            results.machine = facts
            _compare(bench, own, plan, arguments.only, earlier=load(out / "latest.json"))
    _write(results, out)
    minutes = (time.monotonic() - began) / 60
    print(f"{out / 'latest.md'} after {minutes:.1f} minutes")
    return 0


def _compare(bench: Bench, own: OwnServer, plan: Plan, only: str, *, earlier: Results) -> None:
    found, left_out = subjects(bench.place, own)
    chosen = _chosen(found, only)
    results = bench.results
    results.versions = versions()
    results.method = _method(plan)
    results.entries = [Entry(key=one.key, label=one.label, note=one.note) for one in chosen]
    results.left_out = left_out
    # The curves are measured by another run; they stay until they are measured again.
    results.scaled, results.titles = earlier.scaled, earlier.titles
    results.scaling_machine, results.not_scaled = earlier.scaling_machine, earlier.not_scaled
    for label, why in left_out.items():
        print(f"Left out: {label}: {why}", flush=True)
    compare(bench, chosen, plan)
    search_limits(bench, chosen, plan)


def _chosen(found: list[Subject], only: str) -> list[Subject]:
    keys = {key.strip() for key in only.split(",") if key.strip()}
    unknown = keys - {one.key for one in found}
    if unknown:
        raise toolbox.Missing(f"--only: {', '.join(sorted(unknown))} is not among the servers here")
    return [one for one in found if not keys or one.key in keys | {FLOOR, OWN}]


def _curves(named: str) -> list[str]:
    curves = [name.strip() for name in named.split(",") if name.strip()]
    if unknown := set(curves) - set(CURVES):
        raise toolbox.Missing(
            f"--curves: {', '.join(sorted(unknown))} is none of {', '.join(CURVES)}"
        )
    return curves


def _method(plan: Plan) -> dict[str, str]:
    return {
        "repetitions": f"{plan.repetitions}: median (least–most); {plan.searches} searches",
        "each measurement": f"{plan.seconds:.0f} s after {plan.warmup_s:.0f} s of warm-up",
        "load average before": f"{machine.load_average():.1f}",
    }


def _write(results: Results, out: Path) -> None:
    """The report; without matplotlib it has no plots, and says so on the terminal."""
    save(results, out / "latest.json")
    plots: list[str] = []
    curves = toolbox.BUILD / "curves.json"
    curves.write_bytes(msgspec.json.encode(plot_data(results)))
    files = [str(out / "latest.json"), str(curves)]
    try:
        done = subprocess.run(
            [*map(str, (toolbox.venv_python(), toolbox.BENCH / "plots.py")), *files],
            capture_output=True,
            text=True,
            timeout=_PLOT_TIMEOUT_S,
            check=True,
        )
        plots = done.stdout.split()
    except (toolbox.Missing, subprocess.SubprocessError) as error:
        print(f"bench: no plots: {error}", file=sys.stderr)
    (out / "latest.md").write_text(markdown(results, plots))
    if results.scaled:
        (out / "scaling").mkdir(exist_ok=True)
        (out / "scaling" / "README.md").write_text(scaling_markdown(results))


def _allow_files(count: int) -> None:
    """Each player is a socket on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
