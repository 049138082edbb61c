"""What the client scripts share: the plan that the Go test hands over, and the record that it reads back.

A script is run as `python SCRIPT PLAN`, PLAN being a JSON file (see plan_test.go). It prints one JSON object per check on standard
output, and {"done": N} at the end, so that a script that stopped half-way can't pass for one that had less to say.
"""

import json
import sys


class Plan:
    """The addresses, and images whose route is known."""

    def __init__(self, path):
        with open(path) as f:
            self.__dict__.update(json.load(f))


def plan():
    return Plan(sys.argv[1])


class Failed(Exception):
    pass


def equal(what, got, want):
    if got != want:
        raise Failed(f"{what} is {got!r}, want {want!r}")


def true(what, holds):
    if not holds:
        raise Failed(what)


_done = 0


def record(name, ok, saw, **data):
    """data goes to the Go test, which knows Candor's own messages."""
    global _done
    _done += 1
    print(json.dumps({"check": name, "ok": ok, "saw": str(saw), "data": data}), flush=True)


def check(name, body):
    """Runs body, which answers what it saw (and, in a tuple, data), and raises when that isn't right."""
    try:
        saw = body()
    except Exception as e:  # whatever a client library raises is a finding, and the next check still runs
        record(name, False, f"{type(e).__name__}: {e}")
        return
    saw, data = saw if isinstance(saw, tuple) else (saw, {})
    record(name, True, saw, **data)


def finish():
    print(json.dumps({"done": _done}), flush=True)
