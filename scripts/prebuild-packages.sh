#!/usr/bin/env bash
# What `npm run prebuild:all` needs from Debian: cross compilers, and what runs their results here.
# zig (musl, macOS, Windows on ARM) comes from npm by itself.
set -euo pipefail
packages=(cmake ninja-build g++ git
  g++-aarch64-linux-gnu qemu-user-static
  g++-mingw-w64-x86-64-posix wine64
  musl)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
