"""httpx as a test peer, over TLS: httpx.py PORT REQUESTS VERSION GO.

One client works on sockets, one after the other; others on asyncio, several at a time, whose TLS works on
memory buffers: one client for all requests, and one for each. Before that it asks until the file GO is there.
"""

import asyncio
import os
import sys

import httpx

PORT, REQUESTS, VERSION, GO = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
URL = f"https://127.0.0.1:{PORT}"
SIZES = [0, 13, 600, 4000, 16000, 40000]
HOW = {"http2": VERSION == "HTTP/2", "verify": False}


def body(size):
    lines = [b"%8d bytes, at %8d\n" % (size, at) for at in range(0, size, 28)]
    return b"".join(lines)[:size]


def requests(name):
    for number in range(REQUESTS):
        ident = f"id={name}-{number}"
        if number % 5 == 3:
            size = SIZES[number % len(SIZES)]
            yield "POST", f"{URL}/take?{ident}&b={size}", body(size)
        elif number % 7 == 5:
            yield "GET", f"{URL}/status/404?{ident}", None
        else:
            yield "GET", f"{URL}/size/{SIZES[number % len(SIZES)]}?{ident}", None


def check(response):
    assert response.http_version == VERSION, response.http_version
    assert response.status_code in (200, 404), response.status_code


async def warm():
    number = 0
    while not os.path.exists(GO):
        async with httpx.AsyncClient(**HOW) as client:
            for _ in range(3):
                check(await client.get(f"{URL}/size/13?id=warm-{number}"))
                number += 1
        await asyncio.sleep(0.05)


def one_by_one():
    with httpx.Client(**HOW) as client:
        for method, url, content in requests("sync"):
            check(client.request(method, url, content=content))


async def together():
    async with httpx.AsyncClient(**HOW) as client:
        turn = asyncio.Semaphore(4)

        async def ask(method, url, content):
            async with turn:
                check(await client.request(method, url, content=content))

        await asyncio.gather(*(ask(*request) for request in requests("async")))


async def apart():
    turn = asyncio.Semaphore(4)

    async def ask(method, url, content):
        async with turn, httpx.AsyncClient(**HOW) as client:
            check(await client.request(method, url, content=content))

    await asyncio.gather(*(ask(*request) for request in requests("apart")))


asyncio.run(warm())
one_by_one()
asyncio.run(together())
asyncio.run(apart())
