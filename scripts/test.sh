#!/usr/bin/env bash
# test.sh builds the test programs of all packages and runs them, most with the race detector. go test would link each
# program anew each time, which takes as long as half of the tests: here only what has changed is linked, and the
# programs are kept as they are where no file has changed since.
set -euo pipefail

programs=$PWD/.tools/tests
jobs=$(($(nproc) + 2)) # test programs at a time: many of them wait more than they work

# Those that take longest start first, so that none of them is left running alone at the end.
slow=(cloud chaos store cmd/muster)

# Run without the race detector: the rules of the source, which have nothing to race, and what a browser shows, whose
# servers the tests of ./cloud and ./console run with it. They run first: Chromium alone keeps two processors busy.
plain=(. ./console/browsertest)

# What the race detector does not look into: libraries that work on memory of their own, and the interpreter of Lua.
# They take a quarter of the processor time of ./cloud. Their atomics are called like functions, not compiled in
# place: the race detector must know what they synchronize.
unwatched=(encoding/json regexp/... compress/flate strconv net/url net/textproto unicode/utf8
	github.com/redis/go-redis/v9/internal/... github.com/fxamacker/cbor/v2 github.com/danielgtaylor/huma/...
	github.com/alicebob/miniredis/v2/... github.com/yuin/gopher-lua/... github.com/klauspost/compress/...
	github.com/goccy/go-yaml/... github.com/google/go-cmp/... pgregory.net/rapid)

# Debug information (-dwarf=false) and symbols (-s -w) are left out: linking a hundred programs takes a quarter less.
# Only broker has unsafe pointers to check.
flags=(-tags interop,browser -vet=off -ldflags='-s -w')
race=(-race -gcflags='all=-dwarf=false -d=checkptr=0' -gcflags='github.com/muster-iot/muster/broker/...=-dwarf=false')
for library in "${unwatched[@]}"; do
	race+=("-gcflags=$library=-dwarf=false -race=false -d=ssa/intrinsics/off")
done

# build KIND PACKAGES FLAG... builds the test programs of PACKAGES, and lists them in $programs/KIND.list.
build() {
	local kind=$1 package folder name program
	local -a packages groups=()
	local -A seen=()
	read -ra packages <<<"$2"
	shift 2
	: >"$programs/$kind.list"
	while read -r package folder; do
		name=${package##*/}
		seen[$name]=$((${seen[$name]:-0} + 1)) # programs of the same name go into different folders
		groups[${seen[$name]}]+=" $package"
		program=$programs/$kind/${seen[$name]}/$name.test
		printf '%s %s %s\n' "$package" "$folder" "$program" >>"$programs/$kind.list"
	done < <(go list -tags interop,browser "$@" -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' "${packages[@]}")
	for group in "${!groups[@]}"; do
		mkdir -p "$programs/$kind/$group"
		read -ra packages <<<"${groups[$group]}"
		go test "${flags[@]}" "$@" -c -o "$programs/$kind/$group/" "${packages[@]}"
	done
}

# run PACKAGE FOLDER PROGRAM runs one program as go test does. What it printed is shown if it failed.
run() {
	local began=${EPOCHREALTIME/./} status=0 output took
	output=$(mktemp "$TMPDIR/output-XXXXXX")
	(cd "$2" && exec "$3" -test.timeout=20m -test.parallel=6 -test.paniconexit0) >"$output" 2>&1 </dev/null || status=$?
	took=$((${EPOCHREALTIME/./} - began))
	printf -v took '%d.%03ds' $((took / 1000000)) $((took / 1000 % 1000))
	if ((status == 0)); then
		printf 'ok  \t%s\t%s\n' "$1" "$took"
	else
		printf '%s\nFAIL\t%s\t%s\n' "$(<"$output")" "$1" "$took"
	fi
	rm -f "$output"
	return $((status != 0))
}

# memory prints a new folder that is in memory, where the machine has one with a few GB: tests write much that need
# not outlive the machine.
memory() {
	local folder free
	free=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
	((${free:-0} > 4000000)) || return 1
	folder=$(mktemp -d /dev/shm/muster-tests-XXXXXX) || return 1
	cp /bin/true "$folder/" 2>/dev/null && "$folder/true" 2>/dev/null || { # programs must run from there
		rm -rf "$folder"
		return 1
	}
	echo "$folder"
}

scratch=$(memory || mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The programs are built unless $programs/built, which names where and with what they were built, is newer than every file.
with="$PWD $(go version; go env GOFLAGS CC; cat "$0")"
changed=$(find . \( -name .git -o -name .tools -o -name node_modules \) -prune -o -newercm "$programs/built" -print -quit 2>/dev/null || echo "not built")
if [[ -n $changed || $(<"$programs/built") != "$with" ]]; then
	echo "building the test programs: minutes the first time"
	mkdir -p "$programs"
	rm -f "$programs/built"
	echo "$with" >"$programs/building" # before they are read: what changes meanwhile is built the next time
	{ build plain "${plain[*]}" && go build -ldflags='-s -w' -o "$programs/bin/muster" ./cmd/muster; } &
	build race ./... "${race[@]}"
	wait $!
	mv "$programs/building" "$programs/built"
fi

for package in "${slow[@]}"; do
	grep "muster/$package " "$programs/race.list"
done >"$scratch/slow"
export -f run
export TMPDIR=$scratch MUSTER_TEST_BINARY=$programs/bin/muster
export GOGC=400                 # collect garbage seldom: a tenth less processor time; a test that judges memory sets its own
export GORACE=atexit_sleep_ms=0 # a race-enabled program waits a second at its exit by default
status=0
xargs -P "$jobs" -L 1 bash -c 'run "$@"' run <"$programs/plain.list" || status=1
{ cat "$scratch/slow" && grep -vxFf "$scratch/slow" "$programs/race.list"; } |
	xargs -P "$jobs" -L 1 bash -c 'run "$@"' run || status=1
exit $status
