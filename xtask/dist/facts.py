"""Facts of a trial, counted as libtest counts tests."""

counts = {"passed": 0, "failed": 0}


def check(what, problem):
    """Counts one fact: what is wrong with it, or nothing. Whether nothing is."""
    counts["failed" if problem else "passed"] += 1
    print(f"FAILED: {what}: {problem}" if problem else f"ok: {what}", flush=True)
    return not problem


def count():
    """The last line; the exit code."""
    result = "FAILED" if counts["failed"] else "ok"
    print(f"test result: {result}. {counts['passed']} passed; {counts['failed']} failed; 0 ignored")
    return 1 if counts["failed"] else 0
