"""pycurl as a test peer: libcurl.py ADDRESS:PORT PLAN CONNECTIONS keep|close."""

import queue
import sys

import pycurl

from peer import body, work_through

PLACE, PLAN, CONNECTIONS, MANNER = sys.argv[1:5]


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


def work(next):
    curl = pycurl.Curl()
    try:
        while True:
            ask(curl, next())
    except queue.Empty:
        curl.close()


if "GnuTLS" not in pycurl.version:
    sys.exit("pycurl is of another library: " + pycurl.version)
work_through(PLAN, int(CONNECTIONS), work)
