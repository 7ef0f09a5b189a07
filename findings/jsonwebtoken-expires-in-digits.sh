#!/usr/bin/env bash
# jsonwebtoken (npm) 9.0.3: `expiresIn` as a text of digits is a number of milliseconds.
#
# What one expects: a site signs the identity of a visitor who is logged in, and takes the lifetime from its environment,
#   where everything is text: `expiresIn: process.env.TTL` with TTL=3600. As a number, `expiresIn: 3600` is an hour in
#   seconds, so the text "3600" is taken for the same.
# What happens: the text is read by the package `ms`, for which digits without a unit are milliseconds. The token ends
#   after 3.6 seconds, rounded down to 3. It is a valid token, so the first visitors are let in; everybody whose page takes longer is
#   told that the token has expired, and the clocks are blamed.
# What to do: pass a number (`Number(process.env.TTL)`) or a text with its unit ("3600s", "1h"). A server that refuses an
#   expired token helps by saying how many seconds ago it ended.
# Source: the README of jsonwebtoken, "expiresIn", says so in one sentence; seen with Node 20.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund jsonwebtoken@9.0.3 >>npm.log

cat >lifetime.js <<'JS'
const jwt = require("jsonwebtoken");
const lifetime = (expiresIn) => {
  const { iat, exp } = jwt.decode(jwt.sign({ sub: "customer-1" }, "0123456789abcdef0123456789abcdef", { expiresIn }));
  return exp - iat;
};
console.log("jsonwebtoken", require("jsonwebtoken/package.json").version, "on Node", process.version);
for (const expiresIn of [3600, "3600", "3600s", "1h"]) {
  console.log(`expiresIn: ${JSON.stringify(expiresIn)} -> ${lifetime(expiresIn)} s`);
}
process.exit(lifetime(3600) === 3600 && lifetime("3600") === 3 && lifetime("3600s") === 3600 ? 0 : 1);
JS
if node lifetime.js; then
  echo "seen: digits in a text are milliseconds"
else
  echo "not seen any more" >&2
  exit 1
fi
