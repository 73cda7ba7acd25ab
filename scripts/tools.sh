#!/usr/bin/env bash
# tools.sh PURPOSE...: verifies that the programs for the tests (test), the tests in a
# browser (browser), the client SDKs (sdk), chaos, chaos-cluster or the benchmarks (bench) are installed. It lists
# what is missing and how to install it, and exits with 1. With INSTALL=1 in the environment
# it installs what is missing: Debian's packages with apt-get, as root, npm's in place.
set -euo pipefail

interop=testdata/interop # where the Node.js programs of the tests are
missing=()               # what is missing, in words
packages=()              # Debian's packages that contain it

# need WORDS PACKAGES COMMAND...: when COMMAND fails, PACKAGES have to be installed.
need() {
	local words=$1
	local -a package
	read -ra package <<<"$2"
	shift 2
	if [[ " ${packages[*]} " != *" ${package[*]} "* ]] && ! "$@" >/dev/null 2>&1 </dev/null; then
		missing+=("$words (Debian: ${package[*]})")
		packages+=("${package[@]}")
	fi
}

has() { command -v "$1"; }

# The tests try the same two interpreters, in this order: the first one on PATH may not find
# Debian's modules.
python_has() {
	local python
	for python in /usr/bin/python3 python3; do
		if "$python" -c "import $1"; then return 0; fi
	done
	return 1
}

compiles() { "$@" -fsyntax-only -x c - <<<'#include <stdlib.h>'; }

includes() { "${CC:-gcc}" -fsyntax-only -x c - <<<"#include <$1>"; }

links_sanitizers() {
	local out
	out=$(mktemp)
	clang -fsanitize=address,fuzzer-no-link -x c -o "$out" - <<<'int main(void) { return 0; }'
	local status=$?
	rm -f "$out"
	return $status
}

has_broker() { has mosquitto || [ -x /usr/sbin/mosquitto ]; }

has_balancer() { has haproxy || [ -x /usr/sbin/haproxy ]; }

has_browser() { has "${MUSTER_CHROMIUM:-chromium-headless-shell}" || { [ -z "${MUSTER_CHROMIUM:-}" ] && has chromium; }; }

has_modules() { [ "$interop/node_modules/.package-lock.json" -nt "$interop/package-lock.json" ]; }

look_for() {
	case $1 in
	test)
		need "redis-server" redis-server has redis-server
		need "a C compiler for the race detector" "gcc libc6-dev" compiles "${CC:-gcc}"
		need "mosquitto_pub and mosquitto_sub" mosquitto-clients has mosquitto_pub
		need "python3 with paho.mqtt" python3-paho-mqtt python_has paho.mqtt.client
		need "python3 with cbor2" python3-cbor2 python_has cbor2
		need "node" nodejs has node
		need "npm" npm has npm
		need "haproxy" haproxy has_balancer
		;;
	browser)
		need "chromium" chromium-headless-shell has_browser
		;;
	sdk)
		need "redis-server" redis-server has redis-server
		need "a C compiler" "gcc libc6-dev" compiles "${CC:-gcc}"
		need "clang with its sanitizers" "clang libclang-rt-14-dev" links_sanitizers
		need "a C compiler for ARM" "gcc-arm-none-eabi libnewlib-arm-none-eabi" compiles arm-none-eabi-gcc
		need "qemu-system-arm" qemu-system-arm has qemu-system-arm
		need "libmosquitto's headers" libmosquitto-dev includes mosquitto.h
		need "python3 with paho.mqtt" python3-paho-mqtt python_has paho.mqtt.client
		need "python3 with cbor2" python3-cbor2 python_has cbor2
		need "python3 with mypy" python3-mypy python_has mypy
		;;
	chaos)
		need "redis-server" redis-server has redis-server
		;;
	chaos-cluster)
		need "redis-server" redis-server has redis-server
		need "haproxy" haproxy has_balancer
		;;
	bench)
		need "redis-server" redis-server has redis-server
		need "mosquitto" mosquitto has_broker
		;;
	*)
		echo "usage: $0 test|browser|sdk|chaos|chaos-cluster|bench..." >&2
		exit 2
		;;
	esac
}

look() {
	missing=()
	packages=()
	need "go" golang-go has go
	local purpose
	for purpose in "$@"; do
		look_for "$purpose"
	done
}

# Debian starts a server as soon as its package is installed. The tests start their own on
# free ports, so policy-rc.d forbids that for as long as this runs.
install() {
	export DEBIAN_FRONTEND=noninteractive
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	local options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -qq)
	apt-get "${options[@]}" update </dev/null
	apt-get "${options[@]}" install -y --no-install-recommends "$@" </dev/null
}

look "$@"
if [ ${#packages[@]} -gt 0 ] && [ "${INSTALL:-}" = 1 ] && [ "$(id -u)" = 0 ] && has apt-get >/dev/null; then
	echo "installing ${packages[*]}"
	install "${packages[@]}"
	look "$@"
fi
if [[ " $* " == *" test "* ]] && ! has_modules; then
	if [ "${INSTALL:-}" = 1 ] && has npm >/dev/null; then
		(cd "$interop" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null)
		touch "$interop/node_modules/.package-lock.json"
	else
		missing+=("the Node.js packages of $interop (npm ci --ignore-scripts, in that folder)")
	fi
fi
if [ ${#missing[@]} -gt 0 ]; then
	{
		echo "Missing:"
		printf '  %s\n' "${missing[@]}"
		echo "Install it, or repeat the command as root with INSTALL=1, which installs it here:"
		if [ ${#packages[@]} -gt 0 ]; then
			echo "  apt-get install --no-install-recommends ${packages[*]}"
		fi
	} >&2
	exit 1
fi
