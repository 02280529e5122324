"""pycurl as a test peer: pycurl.py ADDRESS:PORT PLAN CONNECTIONS keep|close."""

import sys

# Not this file.
sys.path.pop(0)

import queue
import threading

import pycurl

PLACE, PLAN, CONNECTIONS, MANNER = sys.argv[1:5]


def body(size):
    lines, at = [], 0
    while at < size:
        line = b"%8d bytes, at %8d\n" % (size, at)
        lines.append(line)
        at += len(line)
    return b"".join(lines)[:size]


def ask(curl, line):
    method, target, size, _, conditional = line.split("\t")
    headers = ["Expect:"]
    if conditional == "1":
        headers.append("If-None-Match: *")
    if MANNER == "close":
        headers.append("Connection: close")
    # Options go, the connection stays.
    curl.reset()
    curl.setopt(pycurl.URL, "https://%s%s" % (PLACE, target))
    curl.setopt(pycurl.SSL_VERIFYPEER, 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.WRITEFUNCTION, lambda data: len(data))
    if int(size):
        curl.setopt(pycurl.POSTFIELDS, body(int(size)))
    if method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    else:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    curl.setopt(pycurl.HTTPHEADER, headers)
    curl.perform()


def work(wants, failed):
    curl = pycurl.Curl()
    try:
        while True:
            ask(curl, wants.get_nowait())
    except queue.Empty:
        curl.close()
    except Exception as error:
        failed.append(error)


if "GnuTLS" not in pycurl.version:
    sys.exit("pycurl is of another library: " + pycurl.version)
WANTS, FAILED = queue.Queue(), []
for each in open(PLAN):
    WANTS.put(each.rstrip("\n"))
THREADS = [threading.Thread(target=work, args=(WANTS, FAILED)) for _ in range(int(CONNECTIONS))]
for thread in THREADS:
    thread.start()
for thread in THREADS:
    thread.join()
if FAILED:
    sys.exit(repr(FAILED[0]))
