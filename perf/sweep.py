"""How much a sweep takes: `guardian sweep` beside a program in boto3, against a stub of AWS, all in one run.

Processor times and ratios are what counts: wall times are those of a machine that may be doing something else. Nothing fails for being slow; a
difference in calls or states is an error, for then the comparison would mean nothing.

    python -m perf.sweep [--quick] [--json FILE] [--write FILE] [--only p7,p8,p9]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import document, floor, runs
from .floor import Estate

LATENCY = 80  # milliseconds
ROUNDS = 3  # of memory


@dataclass(frozen=True)
class Row:
    """A line of the table. Without a goal it explains another."""

    what: str
    value: str
    goal: str = ""
    # The number and whether it keeps the goal.
    number: float | None = None
    kept: bool | None = None


@dataclass(frozen=True)
class Table:
    title: str
    rows: list[Row]


def goal(what: str, number: float, most: float, unit: str = "", least: bool = False) -> Row:
    kept = number >= most if least else number <= most
    sign = "≥" if least else "≤"
    value = f"{number:.3g}"
    if not kept and float(value) == most:
        # Missed by so little that it would look kept.
        value = f"{number:.4g}"
    return Row(what, f"{value}{unit}", f"{sign} {most:g}{unit}", number, kept)


def fact(what: str, number: float, unit: str = "", digits: int = 2) -> Row:
    return Row(what, f"{number:,.{digits}f}{unit}", number=number)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def same_calls(estate: Estate, run: runs.Run, who: str) -> None:
    expected = floor.by_operation(estate)
    counted = dict(run.log["by_operation"])
    # Whoever sits at the terminal is asked for once, so that the right role is taken.
    if counted.get("sts:GetCallerIdentity") == 1:
        del counted["sts:GetCallerIdentity"]
    if counted != expected:
        names = sorted(expected.keys() | counted.keys())
        differences = [
            f"{name}: {counted.get(name, 0)} instead of {expected.get(name, 0)}"
            for name in names
            if counted.get(name) != expected.get(name)
        ]
        raise RuntimeError(f"{who} made other calls than the fewest that are needed: {'; '.join(differences)}")


def same_states(one: runs.Run, other: runs.Run) -> None:
    # The guardian judges every resource that it knows of, the program those that are listed.
    different = [name for name, state in other.states.items() if one.states.get(name) != state]
    if different or not other.states:
        name = different[0] if different else "nothing"
        raise RuntimeError(
            f"{len(different)} states differ, such as that of {name}: {one.states.get(name)} and {other.states.get(name)}"
        )


def p8(estate: Estate, rounds: int, sample: int) -> Table:
    """All of it, without limits and without latency: what it costs."""
    ours: list[runs.Run] = []
    theirs: list[runs.Run] = []
    for turn in range(rounds):
        say(f"P8: guardian sweep, {turn + 1} of {rounds}")
        ours.append(runs.guardian(estate))
        say(f"P8: boto3, {turn + 1} of {rounds}")
        theirs.append(runs.twin(estate))
    for run in ours:
        same_calls(estate, run, "guardian sweep")
    for run in theirs:
        same_calls(estate, run, "the program in boto3")
    same_states(ours[0], theirs[0])
    say(f"P8: {sample} calls of boto3 for one recovery point each")
    each = runs.per_point(estate, sample)
    scale = 1_200_000 / estate.all_points
    ours_cpu, theirs_cpu = (statistics.median(run.processor for run in which) for which in (ours, theirs))
    clients = statistics.median(json.loads(run.out)["clients_seconds"] for run in theirs)
    wall = statistics.median(run.wall for run in ours)
    asking = theirs_cpu + each * estate.all_points
    states = sorted(ours[0].states.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    full = scale == 1.0
    return Table(
        f"P8: {estate.all_points:,} recovery points of {estate.accounts:,} accounts, without limits and latency",
        [
            goal("wall" if full else "wall, scaled to 1,200,000 points", wall * scale, 12, " s"),
            goal("processor time" if full else "processor time, scaled likewise", ours_cpu * scale, 6, " s"),
            goal("processor time of boto3 over ours, same calls", theirs_cpu / ours_cpu, 15, "x", least=True),
            goal("the same with a call per point, extrapolated", asking / ours_cpu, 150, "x", least=True),
            goal("calls over the fewest, and who sits at the terminal", ours[0].log["total"] / (1 + sum(floor.by_operation(estate).values())), 1.0),
            fact("guardian: wall", wall, " s"),
            fact("guardian: processor", ours_cpu, " s"),
            fact("guardian: least and most processor", min(run.processor for run in ours), f" to {max(run.processor for run in ours):.2f} s"),
            fact("guardian: most memory", max(run.memory for run in ours) / 1024, " MiB", 1),
            fact("boto3: wall", statistics.median(run.wall for run in theirs), " s"),
            fact("boto3: processor", theirs_cpu, " s"),
            fact("boto3: of which making clients", clients, " s"),
            fact("boto3: processor without making clients, over ours", (theirs_cpu - clients) / ours_cpu, "x", 1),
            fact("boto3: most memory", max(run.memory for run in theirs) / 1024, " MiB", 1),
            fact(f"boto3: a call per point, measured on {sample:,}", each * 1000, " ms", 3),
            fact("guardian: calls", ours[0].log["total"], "", 0),
            fact("stub: processor beside the guardian", ours[0].stub_processor, " s"),
            Row("states", counts),
        ],
    )  # fmt: skip


def p7(estate: Estate) -> Table:
    """Every published bucket, and a network: how close to the least time."""
    say(f"P7: {estate.accounts} accounts with the published limits and {LATENCY} ms")
    first, *others = floor.bounds(estate, LATENCY / 1000)
    run = runs.guardian(estate, pace=1.0, limited=True, latency=LATENCY, states=False)
    same_calls(estate, run, "guardian sweep")
    return Table(
        f"P7: {estate.accounts:,} accounts, every published limit, {LATENCY} ms",
        [
            goal("wall over the floor", run.wall / first.seconds, 1.25, "x"),
            goal("calls turned away", 100 * run.log["throttled"] / run.log["total"], 0.1, " %"),
            fact("wall", run.wall, " s", 1),
            Row("floor", f"{first.seconds:.1f} s: {first.by}", number=first.seconds),
            Row("next", "; ".join(f"{bound.seconds:.1f} s: {bound.by}" for bound in others[:3])),
            fact("calls", run.log["total"], "", 0),
            fact("processor", run.processor, " s"),
            fact("most memory", run.memory / 1024, " MiB", 1),
        ],
    )


def p9(estates: list[Estate]) -> Table:
    """Memory must not follow the number of accounts. It differs from run to run, so medians."""
    taken: dict[int, list[runs.Run]] = {}
    for turn in range(ROUNDS):
        for estate in estates:
            say(f"P9: {estate.accounts} accounts, {turn + 1} of {ROUNDS}")
            run = runs.guardian(estate, states=False)
            same_calls(estate, run, "guardian sweep")
            taken.setdefault(estate.accounts, []).append(run)
    small, large = estates[0], estates[-1]
    held = {accounts: statistics.median(run.memory for run in of) for accounts, of in taken.items()}
    rows = [goal("most memory, one over the other", held[large.accounts] / held[small.accounts], 1.15, "x")]
    for accounts, of in taken.items():
        each = sorted(run.memory / 1024 for run in of)
        rows += [
            Row(f"most memory at {accounts:,}", f"{held[accounts] / 1024:.1f} MiB ({each[0]:.1f} to {each[-1]:.1f})"),
            fact(f"calls at {accounts:,}", of[0].log["total"], "", 0),
        ]
    rows.append(
        fact(
            f"processor at {large.accounts:,}", statistics.median(run.processor for run in taken[large.accounts]), " s"
        )
    )
    return Table(
        f"P9: memory at {large.accounts:,} and at {small.accounts:,} accounts, {large.points} points in each vault",
        rows,
    )


def text(table: Table) -> str:
    wide = max(len(row.what) for row in table.rows)
    lines = [table.title]
    for row in table.rows:
        kept = {True: f"   goal {row.goal}: kept", False: f"   goal {row.goal}: missed", None: ""}[row.kept]
        lines.append(f"  {row.what:<{wide}}  {row.value}{kept}")
    return "\n".join(lines)


def place(name: str) -> str:
    """Of a table in a document."""
    return f"python -m perf.sweep --only {name}"


MEASURES = ("p8", "p7", "p9")
TABLES = [place(name) for name in MEASURES]


def known(given: str) -> list[str]:
    """Names of measurements."""
    names = given.split(",")
    if strange := [name for name in names if name not in MEASURES]:
        raise argparse.ArgumentTypeError(f"{strange[0]!r} is none of {', '.join(MEASURES)}")
    return names


def markdown(table: Table) -> str:
    goals = [document.Goal(f"{row.what} {row.goal}", row.value, row.kept) for row in table.rows if row.kept is not None]
    facts = ([row.what, row.value] for row in table.rows if row.kept is None)
    title = table.title.split(": ", 1)[1]
    return "\n\n".join([f"{title[0].upper()}{title[1:]}.", document.table(["", ""], facts), document.goals(goals)])


def main() -> int:
    parser = argparse.ArgumentParser(description="what a sweep takes, beside boto3 and beside the limits")
    parser.add_argument("--quick", action="store_true", help="smaller estates, for a look")
    parser.add_argument("--only", type=known, default=list(MEASURES), help="some of them: p7,p8,p9")
    parser.add_argument("--accounts", type=int, help="of P8 and P7; default 1000, quick 100 and 40")
    parser.add_argument(
        "--copies", type=int, help="copies of each vault in the backup account; default: one of every resource"
    )
    parser.add_argument("--rounds", type=document.some, help="of P8; default 2, quick 1")
    document.add_options(parser, TABLES)
    given = parser.parse_args()
    if given.write and given.quick:
        parser.error("--write does not go with --quick: that is a look")
    rounds = given.rounds or (1 if given.quick else 2)
    reference = Estate(given.accounts or (100 if given.quick else 1000), copies=given.copies)
    limited = replace(reference, accounts=given.accounts or (40 if given.quick else 1000))
    smallest = Estate(100, regions=("eu-central-1",), vaults=1, points=2, resources=1)
    sizes = (100, 1_000) if given.quick else (100, 1_000, 10_000)
    measures: dict[str, Callable[[], Table]] = {
        "p8": lambda: p8(reference, rounds, 1_000 if given.quick else 10_000),
        "p7": lambda: p7(limited),
        "p9": lambda: p9([replace(smallest, accounts=accounts) for accounts in sizes]),
    }
    tables = []
    for name in given.only:
        table = measures[name]()
        print(text(table), flush=True)
        if given.write:
            document.write(given.write, {place(name): markdown(table)})
        tables.append(table)
    if given.json:
        told = [{"title": table.title, "rows": [vars(row) for row in table.rows]} for table in tables]
        given.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
