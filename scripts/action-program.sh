#!/usr/bin/env bash
# Finds the program for the Action: on the PATH, else the released one of this version when its SHA-256 is in
# release/checksums.txt, else built from source. Says which, and why.
#
# KAIZEN_SOURCE: this repository. RUNNER_OS, RUNNER_ARCH: as GitHub's runners set them. KAIZEN_RELEASES: where releases are
# (for mirrors and tests). The path of the program is the output `program`.
set -euo pipefail

source_dir=${KAIZEN_SOURCE:?the folder of the Action}
home=${KAIZEN_INSTALL:-$HOME/.kaizen-ci}
releases=${KAIZEN_RELEASES:-https://github.com/kaizen-ci/kaizen-ci/releases/download}

found() {
  echo "$1: $2"
  echo "program=$2" >> "$GITHUB_OUTPUT"
  exit 0
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$source_dir/Cargo.toml" | head -n 1)

# another version has other options, and writes what the other job does not read
if program=$(command -v kaizen-ci); then
  said=$("$program" --version 2> /dev/null) || said=nothing
  case "$said " in
    "kaizen-ci $version "*) found "kaizen-ci is here already" "$program" ;;
    *) echo "$program is not version $version, but says: $said" ;;
  esac
fi

case "${RUNNER_OS:-}-${RUNNER_ARCH:-}" in
  Linux-X64) target=x86_64-unknown-linux-musl ;;
  Linux-ARM64) target=aarch64-unknown-linux-musl ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  Windows-X64) target=x86_64-pc-windows-msvc ;;
  *) target=none ;;
esac
exe=
if [ "${RUNNER_OS:-}" = Windows ]; then exe=.exe; fi
file="kaizen-ci-$target.tar.gz"
wanted=$(awk -v name="v$version/$file" '$2 == name { print $1 }' "$source_dir/release/checksums.txt")

hash_of() {
  if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# In a condition `set -e` is off: each step says itself that it failed.
download() {
  local folder
  folder=$(mktemp -d) || return 1
  curl --fail --silent --show-error --location --retry 3 --max-time 300 --max-filesize 200000000 \
    --output "$folder/$file" "$releases/v$version/$file" || return 1
  if [ "$(hash_of "$folder/$file")" != "$wanted" ]; then
    echo "::error::$file is not the file that release/checksums.txt names; it is not run"
    exit 1
  fi
  mkdir -p "$home/bin" || return 1
  if ! tar -xzf "$folder/$file" -C "$home/bin" "kaizen-ci$exe" || [ ! -x "$home/bin/kaizen-ci$exe" ]; then
    echo "$file has no program kaizen-ci$exe that can be run"
    return 1
  fi
  rm -rf "$folder" || return 1
}

if [ -z "$wanted" ]; then
  why="no release of version $version for ${RUNNER_OS:-this system} on ${RUNNER_ARCH:-this processor} is in release/checksums.txt"
elif download; then
  found "downloaded version $version, its SHA-256 is the one in release/checksums.txt" "$home/bin/kaizen-ci$exe"
else
  why="the release of version $version can't be downloaded or unpacked"
fi

echo "$why: building kaizen-ci from source, which takes some minutes"
if ! command -v cargo > /dev/null; then
  echo "::error::there is no cargo to build kaizen-ci with: install Rust (https://rustup.rs) before this step"
  exit 1
fi
cargo install --locked --quiet --path "$source_dir" --root "$home"
found "built from source" "$home/bin/kaizen-ci$exe"
