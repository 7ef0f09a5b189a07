#!/usr/bin/env bash
# python-magic (PyPI) 0.4.27 with libmagic 5.41 (pylibmagic 0.5.0): a Russian text that begins with a small "я" is audio/mpeg.
#
# What one expects: an upload is judged by libmagic, as many servers do, and a text file of a customer in Windows' Cyrillic
#   (code page 1251, which accounting programs still write) is text/plain, whatever its first word is.
# What happens: "я" is the byte FF there, and a sound frame of MPEG begins with eleven bits that are set. With "в" or "т" behind it
#   (E2 and F2) two bytes are enough for libmagic: "явка", "явно" and "ять" make the file audio/mpeg, though no second frame
#   follows and every byte of the file is text. With a capital letter, or in UTF-8, the same words are text/plain. A
#   server that serves what libmagic says shows a player, and one that takes only texts refuses the file.
# What to do: look at all bytes for text before two bytes count for anything, or ask for the second frame where the first
#   one says that it is.
# Source: `file --version` 5.44 of Debian 12 does the same; seen with Python 3.11.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check python-magic==0.4.27 pylibmagic==0.5.0

cat >words.py <<'PY'
import sys

import pylibmagic  # Finds the library that it brings along.
import magic

print("libmagic", magic.version() / 100, "on Python", sys.version.split()[0])
seen = {}
for word in ["явка", "явно", "ять", "Явно", "добрый день"]:
    text = f"{word}: заказ не пришёл, помогите, пожалуйста.\r\n"
    for encoding in ["cp1251", "utf-8"]:
        seen[word, encoding] = magic.from_buffer(text.encode(encoding), mime=True)
        print(f"{word!r} in {encoding}: {seen[word, encoding]}")
as_sound = {key for key, kind in seen.items() if kind == "audio/mpeg"}
sys.exit(0 if as_sound == {(word, "cp1251") for word in ["явка", "явно", "ять"]} else 1)
PY
if venv/bin/python words.py; then
  echo "seen: two letters of Cyrillic are taken for sound"
else
  echo "not seen any more" >&2
  exit 1
fi
