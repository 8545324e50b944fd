#!/bin/sh
# Installs Chromium from Debian's packages where no browser is found that the tests can drive.
set -eu
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    exit 0
  fi
done
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo"
fi
$as_root apt-get update --quiet
$as_root apt-get install --yes --quiet --no-install-recommends chromium
