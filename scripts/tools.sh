#!/usr/bin/env bash
# Finds the programs that the tests (`tools.sh test`), the tests in a browser (`tools.sh
# browser`) or the benchmarks (`tools.sh bench`) need. What is missing is installed where
# that is possible without asking (root, with apt-get), else named, and the exit code is 1.
set -euo pipefail

missing=()  # what is missing, in words
packages=() # Debian's packages that bring it

# need WORDS PACKAGES COMMAND...: when COMMAND fails, PACKAGES have to be installed.
need() {
	local words=$1
	local -a package
	read -ra package <<<"$2"
	shift 2
	if ! "$@" >/dev/null 2>&1 </dev/null; then
		missing+=("$words (Debian: ${package[*]})")
		packages+=("${package[@]}")
	fi
}

has() { command -v "$1"; }

# The tests look at the same two places, in this order: an interpreter found first on PATH
# may be one that does not see Debian's modules.
python_has() {
	local python
	for python in /usr/bin/python3 python3; do
		if "$python" -c "import $1"; then return 0; fi
	done
	return 1
}

compiles_c() { echo '#include <stdlib.h>' | "${CC:-gcc}" -fsyntax-only -x c -; }

look() {
	missing=()
	packages=()
	need "go" golang-go has go
	need "redis-server" redis-server has redis-server
	case $purpose in
	test)
		need "a C compiler for the race detector" "gcc libc6-dev" compiles_c
		need "mosquitto_pub and mosquitto_sub" mosquitto-clients has mosquitto_pub
		need "python3 with paho.mqtt" python3-paho-mqtt python_has paho.mqtt.client
		need "python3 with cbor2" python3-cbor2 python_has cbor2
		need "node" nodejs has node
		need "npm" npm has npm
		;;
	browser)
		need "chromium" chromium has "${MUSTER_CHROMIUM:-chromium}"
		;;
	bench)
		need "mosquitto" mosquitto has_broker
		;;
	esac
}

has_broker() { has mosquitto || [ -x /usr/sbin/mosquitto ]; }

# Debian starts a server as soon as its package is in. The tests start their own on free
# ports, so no service may come up: policy-rc.d is how Debian is told.
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

purpose=${1:-}
case $purpose in
test | browser | bench) ;;
*)
	echo "usage: $0 test|browser|bench" >&2
	exit 2
	;;
esac

look
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && has apt-get >/dev/null; then
	echo "installing ${packages[*]}"
	install "${packages[@]}"
	look
fi
if [ ${#missing[@]} -gt 0 ]; then
	echo "Missing, please install:" >&2
	printf '  %s\n' "${missing[@]}" >&2
	exit 1
fi
