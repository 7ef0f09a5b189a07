#!/usr/bin/env bash
# aiohttp (PyPI) 3.14.5: `FormData` sends a file's name percent-encoded, and aiohttp's own server does not decode it.
#
# What one expects: a program sends "Übersicht 1.pdf" by `FormData().add_field("file", ..., filename=...)`, and the
#   receiver sees that name, as it does when a browser, curl, requests or httpx sends it: in UTF-8, with only quotes and
#   line ends written as %22, %0A and %0D.
# What happens: by default every character but ASCII letters, digits and a few others is percent-encoded, the space and
#   the percent sign too. A receiver that goes by what browsers send must keep "%20" as it stands, since a file may be called
#   "100%25.txt". So the file is called "%C3%9Cbersicht%201.pdf", for people and in archives. Even `request.multipart()`
#   of aiohttp.web gives it back like that: the library does not read what it writes.
# What to do: `FormData(quote_fields=False)`, which writes names as browsers do. A server cannot mend it, because both readings
#   of the same bytes are possible.
# Source: RFC 7578, section 4.2, allows percent-encoding; "Constructing form data" of the HTML standard, which browsers
#   follow, knows only the three. Seen with Python 3.11.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aiohttp==3.14.5

cat >names.py <<'PY'
import asyncio
import sys

import aiohttp
from aiohttp import web

NAMES = ["plain.txt", "Übersicht 1.pdf", "100% sure.txt"]


async def received(request):
    part = await (await request.multipart()).next()
    return web.json_response({"name": part.filename})


async def main():
    app = web.Application()
    app.router.add_post("/", received)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://127.0.0.1:%d/" % runner.addresses[0][1]
    print("aiohttp", aiohttp.__version__, "on Python", sys.version.split()[0])
    seen = {}
    async with aiohttp.ClientSession() as session:
        for quote_fields in (True, False):
            for name in NAMES:
                form = aiohttp.FormData(quote_fields=quote_fields)
                form.add_field("file", b"x", filename=name)
                async with session.post(url, data=form) as answer:
                    seen[quote_fields, name] = (await answer.json())["name"]
                print(f"quote_fields={quote_fields}: {name!r} -> {seen[quote_fields, name]!r}")
    await runner.cleanup()
    changed = seen[True, NAMES[1]] == "%C3%9Cbersicht%201.pdf" and seen[True, NAMES[2]] == "100%25%20sure.txt"
    return changed and all(seen[False, name] == name for name in NAMES)


sys.exit(0 if asyncio.run(main()) else 1)
PY
if venv/bin/python names.py; then
  echo "seen: by default a name arrives percent-encoded"
else
  echo "not seen any more" >&2
  exit 1
fi
