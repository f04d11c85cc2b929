#!/usr/bin/env bash
# Builds the wheel: src/python/wheel.sh FOLDER. Needs `pip install maturin cargo-zigbuild ziglang`.
# The program is linked against glibc 2.28 (RHEL 8, Debian 10, Ubuntu 20.04); everything else is that of the usual build.
set -euo pipefail
folder="$(realpath "$1")"
cd "$(dirname "$0")"
machine="$(uname -m)"
linker="$(mktemp)"
trap 'rm -f "$linker"' EXIT
printf '#!/bin/sh\nexec cargo-zigbuild zig cc -- -g -target %s-linux-gnu.2.28 "$@"\n' "$machine" >"$linker"
chmod +x "$linker"
maturin build --release --compatibility manylinux_2_28 --out "$folder" -- -C "linker=$linker"
