#!/usr/bin/env bash
# Builds a Debian package from a built program: assets/linux/deb.sh PROGRAM FOLDER. Needs dpkg-deb.
# The program of the wheel (src/python/wheel.sh) runs on more systems than one linked on this machine.
set -euo pipefail
program="$(realpath "$1")"
mkdir -p "$2"
folder="$(realpath "$2")"
cd "$(dirname "$0")"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
version="$("$program" --version | cut -d' ' -f2)"
machine="$(dpkg --print-architecture)"
# The oldest glibc with which the program starts.
glibc="$(grep -aoE 'GLIBC_2\.[0-9]+' "$program" | sort -uV | tail -1 | cut -d_ -f2)"

install -Dm755 "$program" "$root/usr/bin/ptychoscope"
strip --strip-unneeded "$root/usr/bin/ptychoscope" 2>/dev/null || true
install -Dm644 ptychoscope.desktop "$root/usr/share/applications/ptychoscope.desktop"
install -Dm644 ptychoscope.xml "$root/usr/share/mime/packages/ptychoscope.xml"
install -Dm644 ../icon.png "$root/usr/share/icons/hicolor/256x256/apps/ptychoscope.png"
install -Dm644 ../../LICENSE-MIT "$root/usr/share/doc/ptychoscope/copyright"
install -Dm644 ../../LICENSE-APACHE "$root/usr/share/doc/ptychoscope/LICENSE-APACHE"
install -Dm644 ../licenses.txt "$root/usr/share/doc/ptychoscope/licenses.txt"
"$program" man "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*
completions() { install -d "$(dirname "$root$2")" && "$program" completions "$1" >"$root$2"; }
completions bash /usr/share/bash-completion/completions/ptychoscope
completions zsh /usr/share/zsh/vendor-completions/_ptychoscope
completions fish /usr/share/fish/vendor_completions.d/ptychoscope.fish

install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: ptychoscope
Version: $version
Architecture: $machine
Maintainer: The Ptychoscope developers
Section: science
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: libc6 (>= $glibc), libgcc-s1
Recommends: libvulkan1, mesa-vulkan-drivers, libxkbcommon-x11-0, libxcursor1, libxi6, libxrandr2, libx11-xcb1
Description: physics-informed neural ptychography
 From diffraction patterns to stitched amplitude and phase: a window, a command
 line, training of networks and a direct solver, without Python or CUDA.
END
dpkg-deb --root-owner-group -Zxz -z2 --build "$root" "$folder/ptychoscope_${version}_$machine.deb"
