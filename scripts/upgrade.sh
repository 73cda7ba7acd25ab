#!/usr/bin/env bash
# Starts three servers of an older revision, and restarts one after the other into this one, under a fleet that is
# updated meanwhile: scripts/upgrade.sh REVISION. MUSTER_ROLLING_DEVICES is how many devices, 300 by default.
set -euo pipefail
old=${1:-}
if [ -z "$old" ]; then
	echo "which revision do the servers run at first? make upgrade OLD=v1.2.3" >&2
	exit 2
fi
cd "$(dirname "$0")/.."
revision=$(git rev-parse --verify --quiet "$old^{commit}") || {
	echo "there is no revision $old here: name a tag or a commit of this repository (git fetch --tags?)" >&2
	exit 2
}
folder=$(mktemp -d)
trap 'git worktree remove --force "$folder/source" 2>/dev/null; rm -rf "$folder"' EXIT
git worktree add --quiet --detach "$folder/source" "$revision"
CGO_ENABLED=0 go build -C "$folder/source" -o "$folder/muster" ./cmd/muster
echo "from $(git describe --always --tags "$revision") to $(git describe --always --tags --dirty)"
MUSTER_OLD_BINARY="$folder/muster" go test -count=1 -timeout 15m -v -run '^TestServersAreRestartedOneAfterTheOther$' ./cloud
