#!/bin/sh
# Install Debian's Chromium, for the tests of the web page, on a Debian machine where one may install: fetch_chromium.sh
#
# Playwright drives it; a browser of Playwright's own is not needed. The last line of the output is its path.
set -eu

if ! command -v chromium >/dev/null; then
    # Package lists may be missing, as in a fresh container, or be older than the mirror.
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
fi
command -v chromium
