"""Real opencode shares real sessions: with a server that loses, to see that it is noticed; with ours, and through our bridge, to lose nothing.

    python3 tests/opencode/run.py --share PATH_TO_SHARE_BINARY

README.md beside this file says what is needed and what is played.
"""

import argparse
import concurrent.futures
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import bridged
import direct
import install
import plugin
import selftest
import stage

SKIPPED = 77
LOG_BYTES = 2000
# The longest first, so that the others fill the time beside them.
GROUPS = {"bridged": bridged.SCENARIOS, "plugin": plugin.SCENARIOS, "direct": direct.SCENARIOS, "selftest": selftest.SCENARIOS}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=pathlib.Path, help="the `share` binary; without it only the self-test is played")
    parser.add_argument("--opencode", type=pathlib.Path, help="an opencode binary, instead of one from npm")
    parser.add_argument("--install", type=pathlib.Path, help="where npm installs opencode [default: a temporary folder]")
    parser.add_argument("--only", default="", help="only scenarios whose name or group has this in it")
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time [default: 4]")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()


def chosen(options):
    """The scenarios to play, by name."""
    groups = [group for group in GROUPS if options.share or group == "selftest"]
    named = {f"{group}: {scenario.__name__}": scenario for group in groups for scenario in GROUPS[group]}
    return {name: scenario for name, scenario in named.items() if options.only in name}


def play(name, scenario, folder, opencode, binary):
    """Plays one; whether it holds."""
    began = time.monotonic()
    try:
        with stage.Stage(folder, opencode, binary) as on:
            said = scenario(on)
    except AssertionError as error:
        said, held = f"{error}\n{last_words(folder)}", False
    except Exception:
        said, held = f"{traceback.format_exc()}\n{last_words(folder)}", False
    else:
        held = True
    print(f"{'ok  ' if held else 'FAIL'} {name.replace('_', ' ')} ({time.monotonic() - began:.0f} s): {said}", flush=True)
    return held


def last_words(folder):
    """The end of each process's log."""
    logs = sorted(folder.rglob("*.log")) if folder.exists() else []
    ends = {log: log.read_bytes()[-LOG_BYTES:].decode(errors="replace") for log in logs if log.parent.name != "log"}
    return "\n".join(f"-- the end of {log}:\n{end}" for log, end in ends.items())


def main():
    options = arguments()
    work = pathlib.Path(tempfile.mkdtemp(prefix="share-opencode-"))
    try:
        opencode = options.opencode or install.opencode(options.install or work / "npm")
    except install.Away as away:
        print(f"skipped: {away}")
        shutil.rmtree(work)
        return SKIPPED
    binary = options.share and options.share.resolve()
    scenarios = chosen(options)
    if not scenarios:
        print(f"no scenario has `{options.only}` in its name", file=sys.stderr)
        return 2
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        played = [
            pool.submit(play, name, scenario, work / str(number), opencode, binary)
            for number, (name, scenario) in enumerate(scenarios.items())
        ]
    failed = sum(not one.result() for one in played)
    print(f"{len(played) - failed} passed, {failed} failed")
    if failed or options.keep:
        print(f"logs: {work}", file=sys.stderr)
    else:
        shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
