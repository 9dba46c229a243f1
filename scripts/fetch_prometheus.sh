#!/bin/sh
# Put Prometheus and promtool into DIR, for the tests, on a Debian machine: fetch_prometheus.sh DIR
#
# Debian's package is downloaded through the machine's own mirror into DIR and unpacked there: nothing is
# installed, and no service is started. The last line of the output is the path of the binary; promtool
# lies beside it.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: fetch_prometheus.sh DIR" >&2
    exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
if [ -x "$dir/prometheus" ] && [ -x "$dir/promtool" ]; then
    echo "$dir/prometheus"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

download() {
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download prometheus)
}
# A machine without package lists, as a fresh container is, has to get them first.
download || { apt-get update -qq && download; }
dpkg -x "$work"/prometheus_*.deb "$work/unpacked"
mv "$work/unpacked/usr/bin/prometheus" "$work/unpacked/usr/bin/promtool" "$dir/"
"$dir/prometheus" --version >/dev/null 2>&1
"$dir/promtool" --version >/dev/null 2>&1
echo "$dir/prometheus"
