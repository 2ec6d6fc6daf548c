"""`tools/bench`: runs scenarios and writes what they find."""

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

from . import check, report, scenario
from .build import Executables
from .places import DETAILS, RESULTS
from .problem import Problem
from .rig import Rig


def main():
    arguments = _arguments()
    # Either unwinds, and what was started is stopped. A shell lets what it runs in the background ignore the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.list:
            for each in scenario.chosen(arguments.only):
                print(f"{each.name:<16} {each.title}")
        elif arguments.check:
            _check(arguments)
        else:
            _run(arguments)
        return 0
    except Problem as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; everything that was started is stopped", file=sys.stderr)
        return 130


def _arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures Inrush beside its baselines and peers.")
    parser.add_argument("--only", type=_words, default=[], metavar="NAMES", help="these scenarios, with commas between")
    parser.add_argument("--check", action="store_true", help="compare the ratios of hot paths with those committed")
    parser.add_argument("--accept", action="store_true", help="with --check: make what is found the committed ratios")
    parser.add_argument("--quick", action="store_true", help="the short form, for trying: seconds instead of minutes")
    parser.add_argument("--rounds", type=_count, help="rounds of each measurement, instead of the form's own")
    parser.add_argument("--list", action="store_true", help="list the scenarios and do nothing")
    parser.add_argument(
        "--executables", type=_folder, metavar="FOLDER", help="measure these instead of building with profile dist"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where everything goes (pages into docs/benchmarks, details and --quick into target/bench)"
    )
    arguments = parser.parse_args()
    if arguments.accept and not arguments.check:
        parser.error("--accept belongs to --check")
    return arguments


def _words(text):
    return [word for word in text.replace(",", " ").split() if word]


def _count(text):
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count


def _folder(text):
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return folder


def _check(arguments):
    started = time.monotonic()
    executables = Executables(arguments.executables, _tell)
    executables.prepare(check.EXECUTABLES)
    with Rig(executables, _tell) as rig:
        check.run(rig, arguments.rounds, arguments.accept)
    _tell(f"done in {time.monotonic() - started:.0f} s, with building")


def _run(arguments):
    form = "quick" if arguments.quick else "full"
    out = arguments.out or (DETAILS if arguments.quick else RESULTS)
    chosen = scenario.chosen(arguments.only)
    executables = Executables(arguments.executables, _tell)
    executables.prepare(dict.fromkeys(name for each in chosen for name in each.executables))
    failed = []
    for each in chosen:
        started = time.monotonic()
        _tell(f"{each.name}: {each.title}")
        try:
            with Rig(executables, _tell) as rig:
                found = each.run(rig, each.form(form, arguments.rounds))
            report.write(out, arguments.out or DETAILS, each.name, each.title, form, found, _tell)
            report.write_index(out)
        except Exception as error:
            # Whatever it is, the others go on: half an hour of measuring is not lost to a slip. The exit code tells.
            _tell(f"{each.name} failed: {error if isinstance(error, Problem) else traceback.format_exc()}")
            failed.append(each.name)
            continue
        print(f"\n## {each.title}\n")
        print("\n\n".join(table.markdown() for table in found.tables), flush=True)
        _tell(f"{each.name}: done in {time.monotonic() - started:.0f} s; see {out / each.name}.md")
    if failed:
        raise Problem(f"these failed: {', '.join(failed)}")


def _tell(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


sys.exit(main())
