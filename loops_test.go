//go:build !race

package muster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// each says that every server runs a loop for itself: for its own connections, folder or memory, or that
// it does no harm if several do the same.
const each = "each"

// loops are the files of the server with something that is done again and again, and the lease that the
// one holds who does it, of servers that share a store (docs/adr/0043-nodes-meet-in-redis.md).
var loops = map[string]string{
	"accounts/failures.go":           each, // counted here
	"accounts/line.go":               each, // one request waits
	"audit/audit.go":                 each, // from its own folder
	"broker/drain.go":                each, // its connections
	"broker/listen.go":               each, // after an error of its listener
	"broker/pacer.go":                each, // one connection waits
	"broker/places.go":               each, // its connections
	"broker/seats.go":                each, // its connections
	"cloud/certificates.go":          each, // its files
	"cloud/drain.go":                 each, // its end
	"cloud/images.go":                "images",
	"cloud/loops.go":                 each, // waits for a lease
	"cloud/bootstrap.go":             "bootstrap",
	"cloud/nodes.go":                 each, // each batch is taken over by one
	"cloud/trim.go":                  each, // its memory
	"history/history.go":             "history",
	"job/run.go":                     "jobs",
	"notify/worker.go":               "notifications",
	"ota/image/bucket/claim.go":      each, // whether it reaches the bucket, and what is in its own folder
	"ota/image/pacer.go":             each, // its rate
	"ota/image/s3/patience.go":       each, // one transfer
	"ota/rollout/run.go":             "releases",
	"ota/sweep.go":                   each, // its downloads
	"peers/peers.go":                 each, // what it wants
	"session/limits.go":              each, // its connections
	"session/rechecks.go":            each, // its connections
	"session/sessions.go":            each, // its connections
	"session/upkeep.go":              each, // its connections
	"sse/stream.go":                  each, // its streams
	"store/catalogs.go":              each, // what it has in memory
	"store/disk/disk.go":             each, // its disk
	"store/feed/correct.go":          each, // its index
	"store/feed/follow.go":           each, // its index; an edit that was abandoned may be finished twice
	"store/feed/read.go":             each, // its index
	"store/identity/take.go":         each, // at the start
	"store/lockfile/lockfile.go":     each, // its folder
	"store/grant/grant.go":           each, // its grants
	"store/node/nodes.go":            each, // its beat
	"store/node/peers.go":            each, // its start
	"store/node/wakes.go":            each, // its wakes
	"store/recovery.go":              "groups",
	"store/pipeline/batcher.go":      each, // its trips
	"store/pipeline/masters.go":      each, // where the masters are
	"store/pipeline/pipeline.go":     each, // its trips
	"store/pipeline/shard.go":        each, // its trips
	"store/redisserver/server.go":    each, // its child
	"store/redisserver/supervise.go": each, // its child
	"store/relay/relay.go":           each, // what it passes on and hears
	"store/require/require.go":       each, // at the start
	"store/slots/finder.go":          each, // masters
}

// apart are the folders of programs that are not servers.
var apart = []string{"api/client", "bench", "chaos", "cli", "cmd", "conform", "console/testdata", "sdk", "simulator", "steady", "cloud/cloudtest", "store/redistest", "testdata", ".tools"}

// TestEveryLoopSaysWhichLeaseItHolds finds what waits for time to pass. Whoever adds a loop decides
// whether one server has to do it for all.
func TestEveryLoopSaysWhichLeaseItHolds(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (slices.Contains(apart, path) || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, is := n.(*ast.CallExpr); is && waits(call) {
				found[filepath.ToSlash(path)] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		if loops[path] == "" {
			t.Errorf("%s waits for time to pass and is not in loops: say which lease a server needs for what it does then, or that each does it", path)
		}
	}
	leases := sourceOf(t, "cloud/loops.go") + sourceOf(t, "store/recovery.go")
	for path, lease := range loops {
		if !found[path] {
			t.Errorf("%s has no loop any more", path)
		}
		if lease != each && !strings.Contains(leases, `= "`+lease+`"`) {
			t.Errorf("%s needs the lease %s, which nobody asks for", path, lease)
		}
	}
}

// waits reports whether call waits for time to pass.
func waits(call *ast.CallExpr) bool {
	selector, is := call.Fun.(*ast.SelectorExpr)
	if !is {
		return false
	}
	of, is := selector.X.(*ast.Ident)
	if !is {
		return false
	}
	switch of.Name + "." + selector.Sel.Name {
	case "time.NewTicker", "time.NewTimer", "time.After", "time.Tick", "time.AfterFunc", "steady.Sleep":
		return true
	}
	return false
}

// TestTheServerStartsItsLoopsInOnePlace: what runs besides answers is in the table with the leases.
func TestTheServerStartsItsLoopsInOnePlace(t *testing.T) {
	if n := strings.Count(sourceOf(t, "cloud/cloud.go"), "tasks.Go("); n != 2 {
		t.Errorf("cloud.go starts %d tasks, want those of its two listeners: put others into loops.go", n)
	}
}

func sourceOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
