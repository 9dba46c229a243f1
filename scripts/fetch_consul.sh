#!/bin/sh
# Put a Consul binary into DIR, for the tests, on a Debian machine: fetch_consul.sh DIR
#
# Debian's bullseye has a consul package. It is downloaded through the machine's own mirror into DIR and
# unpacked there: nothing is installed and no source list of the machine is changed. The last line of the
# output is the path of the binary.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: fetch_consul.sh DIR" >&2
    exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
if [ -x "$dir/consul" ]; then
    echo "$dir/consul"
    exit 0
fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | sort -u | head -n 1)
if [ -z "$mirror" ]; then
    # A machine without package lists, as a fresh container is.
    apt-get update -qq
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | sort -u | head -n 1)
fi
if [ -z "$mirror" ]; then
    echo "fetch_consul.sh: no Debian mirror in apt's sources" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt drops to its own user for downloads, which must be able to enter.
chmod 755 "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/package"
chown -R _apt "$work/lists" "$work/cache" 2>/dev/null || true

signed_by=
for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    if [ -e "$keyring" ]; then
        signed_by="[signed-by=$keyring] "
        break
    fi
done
echo "deb ${signed_by}${mirror} bullseye main" >"$work/sources.list"

apt() {
    apt-get -qq \
        -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" "$@"
}
apt update
(cd "$work/package" && apt -o APT::Sandbox::User=root download consul)
dpkg -x "$work"/package/consul_*.deb "$work/unpacked"
mv "$work/unpacked/usr/bin/consul" "$dir/consul"
"$dir/consul" version >/dev/null
echo "$dir/consul"
