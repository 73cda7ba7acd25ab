#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given (`10s`).
set -euo pipefail

time=${1:-10s}
count=0
for directory in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...); do
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$directory"/*_test.go | sed 's/^func //' || true)
	for target in $targets; do
		echo "== ${directory#"$PWD"/} $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$directory"
		count=$((count + 1))
	done
done
echo "$count fuzz targets ran"
