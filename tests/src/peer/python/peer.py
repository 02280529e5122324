"""What test peers in Python have in common."""

import queue
import sys
import threading
from urllib.parse import parse_qs


def body(size):
    lines = [b"%8d bytes, at %8d\n" % (size, at) for at in range(0, size, 28)]
    return b"".join(lines)[:size]


async def application(scope, receive, send):
    """Answers by ASGI; gives status and bytes of the answer, if there was one."""
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return None
    taken, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        taken += len(event.get("body", b""))
        more = event.get("more_body", False)
    kind, *number = scope["path"].split("/")[1:]
    status, content = 200, b"%d bytes taken\n" % taken
    if kind == "status":
        status, content = int(number[0]), b"by order\n"
    elif kind == "size":
        content = body(int(number[0]))
    ident = parse_qs(scope["query_string"])[b"id"][0]
    head = [(b"content-length", b"%d" % len(content)), (b"x-id", ident)]
    await send({"type": "http.response.start", "status": status, "headers": head})
    for at in range(0, len(content), 7000):
        piece = content[at : at + 7000]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return status, len(content)


def work_through(plan, connections, work):
    """Has so many threads take the lines of a plan from a queue, each by `work(next)`, which ends with
    `queue.Empty`; ends the program if one fails."""
    wants, failed = queue.Queue(), []
    for line in open(plan):
        wants.put(line.rstrip("\n"))

    def run():
        try:
            work(wants.get_nowait)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(repr(failed[0]))
