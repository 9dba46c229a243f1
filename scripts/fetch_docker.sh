#!/bin/sh
# Put a Docker Engine into DIR, for the tests, on a Debian machine: fetch_docker.sh DIR
#
# Debian's docker.io and iptables are downloaded through the machine's own mirror, with what they need and the
# machine lacks, and unpacked into DIR: nothing is installed or started. The last line of the output is that
# folder, or / where an Engine is installed already.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: fetch_docker.sh DIR" >&2
    exit 2
fi
if command -v dockerd >/dev/null && command -v iptables >/dev/null; then
    echo /
    exit 0
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
if [ -x "$dir/usr/sbin/dockerd" ]; then
    echo "$dir"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial"

download() {
    apt-get -qq -y --no-install-recommends --download-only \
        -o Dir::Cache="$work" -o APT::Sandbox::User=root -o Debug::NoLocking=1 install docker.io iptables
}
# A machine without package lists, as a fresh container is, has to get them first.
download || { apt-get update -qq && download; }
for package in "$work"/archives/*.deb; do
    dpkg -x "$package" "$work/root"
done
# Debian's alternatives would make this link.
for name in iptables ip6tables; do
    ln -sf xtables-nft-multi "$work/root/usr/sbin/$name"
done
cp -a "$work/root/." "$dir/"
"$dir/usr/sbin/dockerd" --version >/dev/null
echo "$dir"
