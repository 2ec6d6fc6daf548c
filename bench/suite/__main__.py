"""`tools/bench`: runs scenarios and writes their results."""

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

from . import check, report, scenario
from .build import Executables
from .paths import DETAILS, RESULTS
from .errors import BenchError
from .harness import Harness


def main():
    arguments = _arguments()
    # Both unwind the stack, which stops what was started. A shell makes background jobs ignore SIGINT by default.
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
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; all processes were stopped", file=sys.stderr)
        return 130


def _arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures Inrush beside its baselines and peers.")
    parser.add_argument("--only", type=_words, default=[], metavar="NAMES", help="these scenarios, with commas between")
    parser.add_argument("--check", action="store_true", help="compare the ratios of hot paths with those committed")
    parser.add_argument("--accept", action="store_true", help="with --check: commit the measured ratios")
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
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return folder


def _check(arguments):
    started = time.monotonic()
    executables = Executables(arguments.executables, _log)
    executables.prepare(check.EXECUTABLES)
    with Harness(executables, _log) as harness:
        check.run(harness, arguments.rounds, arguments.accept)
    _log(f"done in {time.monotonic() - started:.0f} s, with building")


def _run(arguments):
    form = "quick" if arguments.quick else "full"
    out = arguments.out or (DETAILS if arguments.quick else RESULTS)
    chosen = scenario.chosen(arguments.only)
    executables = Executables(arguments.executables, _log)
    executables.prepare(dict.fromkeys(name for each in chosen for name in each.executables))
    failed = []
    for each in chosen:
        started = time.monotonic()
        _log(f"{each.name}: {each.title}")
        try:
            with Harness(executables, _log) as harness:
                found = each.run(harness, each.form(form, arguments.rounds))
            report.write(out, arguments.out or DETAILS, each.name, each.title, form, found, _log)
            report.write_index(out)
        except Exception as error:
            # The other scenarios still run: one failure does not lose half an hour of measurements. The exit code reports it.
            _log(f"{each.name} failed: {error if isinstance(error, BenchError) else traceback.format_exc()}")
            failed.append(each.name)
            continue
        print(f"\n## {each.title}\n")
        print("\n\n".join(table.markdown() for table in found.tables), flush=True)
        _log(f"{each.name}: done in {time.monotonic() - started:.0f} s; see {out / each.name}.md")
    if failed:
        raise BenchError(f"these failed: {', '.join(failed)}")


def _log(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


sys.exit(main())
