//go:build !race

package muster

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/muster-iot/muster"

// mayImport is which package may import which (docs/architecture.md): what is not listed is
// forbidden, and a package that is not listed may not exist. "" is this package. Which
// package may import which library is up to depguard, in .golangci.yml.
var mayImport = map[string][]string{
	"":               {},
	"calendar":       {},
	"fleet":          {"calendar"},
	"event":          {"fleet"},
	"devicefile":     {"fleet"},
	"devicelog":      {"wire"},
	"configs":        {},
	"wire":           {"fleet"},
	"ota/precedence": {"calendar", "fleet", "wire"},
	"ota/metadata":   {"fleet"},
	"wire/mqtt":      {},
	"broker/chunkio": {"fleet", "wire"},
	"proxy":          {},
	"edge":           {"limit", "proxy"},
	"broker":         {"fleet", "wire", "wire/mqtt", "broker/chunkio", "limit", "proxy"},
	"index":          {"fleet", "wire"},
	"store":          {"audit/chain", "steady", "fleet", "index", "store/alert", "store/claim", "store/command", "store/document", "store/feed", "store/filters", "store/identity", "store/jobs", "store/journal", "store/keys", "store/migrate", "store/move", "store/namesake", "store/node", "store/outbox", "store/pipeline", "store/record", "store/redisserver", "store/relay", "store/repeat", "store/require", "store/retention", "store/stream", "store/timeline"},
	"handshake":      {"calendar", "devicelog", "fleet", "wire", "ota/precedence", "limit"},
	"audit":          {"audit/chain", "fleet", "store", "store/spool"},
	"audit/chain":    {"fleet"},
	"ota/image":      {"fleet", "wire", "store/lockfile"},
	"ota":            {"fleet", "wire", "ota/pace", "ota/precedence", "ota/image", "store", "store/grant"},
	"ota/image/s3":   {"fleet"},
	"ota/release":    {"event", "fleet", "quota", "wire", "ota/precedence", "ota/metadata", "ota/image", "ota", "ota/rollout", "index", "store", "audit"},
	"ota/pace":       {"fleet", "ota/precedence", "store/grant"},
	"ota/rollout":    {"event", "steady", "fleet", "wire", "humane", "ota/pace", "ota/precedence", "index", "store", "audit"},
	"ota/remaining":  {"fleet", "ota/pace", "ota/precedence", "index", "store"},
	"history":        {"fleet", "index", "steady", "store", "store/timeline"},
	"notify/webhook": {},
	"notify/mail":    {},
	"limit":          {},
	"steady":         {},
	"certificate":    {},

	"certificate/selfsigned": {"certificate"}, // for tests and benchmarks

	"accounts":     {"fleet", "steady", "store", "audit", "limit"},
	"registry":     {"event", "fleet", "quota", "steady", "wire", "ota/precedence", "index", "store", "audit", "limit", "registry/fence"},
	"job":          {"audit", "event", "fleet", "ota/release", "registry", "steady", "store", "store/jobs"},
	"filter":       {"audit", "fleet", "ota/release", "ota/remaining", "ota/rollout", "registry", "store/filters"},
	"api/jobs":     {"filter", "fleet", "job", "api", "api/route", "api/rest"},
	"notify":       {"fleet", "store", "store/outbox", "audit", "limit", "humane", "notify/webhook", "notify/mail"},
	"quota":        {"fleet", "configs", "index", "store", "store/grant"},
	"roaming":      {"event", "fleet", "quota", "wire", "index", "store", "audit", "limit"},
	"activity":     {"event", "fleet", "wire", "handshake", "store"},
	"peers":        {"event", "fleet", "store/record", "store/relay"},
	"session":      {"devicelog", "event", "fleet", "quota", "wire", "configs", "limit", "broker", "handshake", "ota", "roaming", "activity", "store"},
	"sse":          {"event", "fleet"},
	"humane":       {},
	"api":          {"calendar", "fleet"},
	"api/client":   {"fleet", "api", "sse"},
	"api/route":    {"fleet", "api"},
	"api/rest":     {"audit", "audit/chain", "devicelog", "event", "filter", "fleet", "notify", "quota", "devicefile", "wire", "ota/precedence", "accounts", "registry", "ota/release", "ota/rollout", "api", "api/route"},
	"api/upload":   {"fleet", "devicefile", "api", "api/route", "api/rest"},
	"export":       {"fleet", "wire"},
	"api/exports":  {"export", "fleet", "api", "api/route", "api/rest"},
	"api/channels": {"fleet", "notify", "api", "api/route", "api/rest"},
	"api/account":  {"fleet", "api", "api/route", "api/rest"},
	"api/updates":  {"fleet", "api", "api/route", "api/rest", "ota/remaining"},
	"api/particle": {"event", "fleet", "wire", "sse", "api", "api/route", "api/rest"},
	"api/history":  {"fleet", "history", "api", "api/route", "api/rest"},
	"api/nrf":      {"fleet", "api", "api/route", "api/rest"},
	"console":      {"calendar", "devicelog", "event", "export", "filter", "fleet", "job", "notify", "quota", "devicefile", "wire", "ota/precedence", "audit", "accounts", "registry", "ota/rehearsal", "ota/release", "ota/remaining", "ota/rollout", "sse", "humane", "history"},
	"simulator":    {"fleet", "wire", "wire/mqtt", "simulator/mqttlite", "simulator/ble"},
	"cloud":        {"event", "peers", "filter", "fleet", "job", "notify", "notify/mail", "notify/webhook", "quota", "certificate", "configs", "broker", "edge", "audit", "activity", "session", "roaming", "accounts", "history", "ota", "ota/image", "ota/image/bucket", "ota/image/s3", "ota/pace", "ota/rehearsal", "ota/release", "ota/remaining", "ota/rollout", "registry", "registry/fence", "index", "steady", "store", "store/grant", "store/retention", "store/disk", "store/lockfile", "store/spool", "api/rest", "api/account", "api/history", "api/rehearsal", "api/channels", "api/exports", "api/jobs", "api/updates", "api/upload", "api/particle", "api/nrf", "console"},
	"conform":      {"fleet", "wire", "wire/mqtt", "broker"},
	"bench":        {"fleet", "wire", "wire/mqtt", "simulator/mqttlite", "bench/device", "bench/process", "bench/nodes", "bench/report", "bench/rest", "bench/server", "bench/swarm", "certificate", "certificate/selfsigned", "store/redisserver"},
	"cli":          {"audit/chain", "event", "fleet", "devicefile", "api", "api/client", "humane", "cli/terminal"},
	"cli/terminal": {},
	"cmd/muster":   {"fleet", "certificate", "conform", "wire", "configs", "cloud", "simulator", "simulator/mqttlite", "api", "api/client", "humane", "cli", "cli/terminal"},

	"ota/rehearsal": {"fleet", "index", "ota", "ota/pace", "ota/precedence", "ota/release", "ota/rollout", "store", "wire"},
	"api/rehearsal": {"fleet", "ota/rehearsal", "api", "api/route", "api/rest"},

	"ota/image/bucket": {"fleet", "ota/image", "ota/image/s3"},

	"store/document":    {"fleet", "store/pipeline", "store/record"},
	"store/alert":       {"steady", "fleet", "store/keys", "store/pipeline", "store/record", "store/retention"},
	"store/claim":       {"store/pipeline"},
	"store/command":     {"steady", "fleet", "store/keys", "store/pipeline", "store/record"},
	"store/disk":        {"fleet"},
	"store/feed":        {"fleet", "index", "steady", "store/document", "store/keys", "store/pipeline", "store/record"},
	"store/identity":    {"store/keys", "store/pipeline"},
	"store/filters":     {"fleet", "store/document", "store/keys", "store/pipeline"},
	"store/jobs":        {"fleet", "store/document", "store/journal", "store/keys", "store/pipeline"},
	"store/journal":     {"store/pipeline"},
	"store/keys":        {"fleet", "store/slots"},
	"store/retention":   {},
	"store/lockfile":    {},
	"store/namesake":    {"fleet", "store/keys", "store/pipeline", "store/record"},
	"store/node":        {"fleet", "steady", "store/keys", "store/pipeline"},
	"store/grant":       {"steady", "store/keys", "store/node"},
	"store/migrate":     {"fleet", "store/keys", "store/pipeline", "store/record"},
	"store/outbox":      {"fleet", "store/keys", "store/pipeline"},
	"store/move":        {"store/identity", "store/keys", "store/pipeline", "store/require"},
	"store/relay":       {"steady", "store/keys", "store/node", "store/pipeline"},
	"store/repeat":      {"steady", "fleet", "store/keys", "store/pipeline"},
	"store/pipeline":    {"fleet", "store/record", "store/slots"},
	"store/record":      {"calendar", "event", "fleet"},
	"store/redisserver": {"store/disk", "store/lockfile"},
	"store/redistest":   {"store/slots"}, // for tests, chaos and benchmarks
	"store/require":     {"store/pipeline"},
	"store/slots":       {},
	"store/spool":       {"fleet"},
	"store/timeline":    {"fleet", "store/keys", "store/pipeline"},
	"store/stream":      {"steady", "fleet", "store/keys", "store/pipeline", "store/retention"},

	"console/browsertest": {}, // tests only

	"sdk/sdktest": {}, // tests only
	"siege":       {}, // tests only

	"chaos":         {"fleet", "wire", "wire/mqtt", "simulator", "simulator/mqttlite", "api", "api/client", "bench/process", "chaos/cable", "chaos/device", "chaos/machine", "deploy/haproxy", "store/redisserver", "store/redistest"},
	"chaos/cable":   {},
	"chaos/device":  {"fleet", "wire", "wire/mqtt", "simulator", "simulator/mqttlite", "bench/process", "store/keys", "store/redistest"},
	"chaos/machine": {},

	"registry/fence": {"fleet"},

	"deploy/haproxy": {"bench/process"}, // for tests and chaos

	"bench/device":  {"fleet", "wire", "wire/mqtt", "simulator/mqttlite", "bench/swarm"},
	"bench/nodes":   {"bench/device", "bench/process", "bench/report", "bench/server", "bench/swarm", "simulator/mqttlite", "store/redisserver", "store/redistest"},
	"bench/process": {},
	"bench/report":  {},
	"bench/rest":    {},
	"bench/server":  {"bench/process", "bench/rest"},
	"bench/swarm":   {"wire/mqtt", "simulator/mqttlite"},

	"simulator/mqttlite": {"fleet", "wire/mqtt"},
	"simulator/ble":      {"fleet", "wire", "wire/mqtt"},

	"cloud/cloudtest": {"fleet", "configs", "wire", "wire/mqtt", "cloud", "api", "api/client", "simulator", "simulator/mqttlite"}, // for tests only
	"store/storetest": {"store", "store/redistest"},                                                                               // for tests only
	"ota/otatest":     {"fleet", "ota/image", "store", "store/storetest"},                                                         // for tests only
}

// testsMayImport is what tests may import beyond that.
var testsMayImport = map[string][]string{
	"registry":       {"store/spool", "store/storetest"},
	"roaming":        {"store/storetest"},
	"job":            {"ota", "ota/image", "ota/otatest"},
	"filter":         {"ota", "ota/image", "ota/otatest", "ota/pace", "event"},
	"accounts":       {"store/storetest"},
	"notify":         {"store/storetest"},
	"notify/mail":    {"certificate", "certificate/selfsigned"},
	"certificate":    {"certificate/selfsigned"},
	"store":          {"store/redistest"},
	"store/document": {"store/redisserver"},
	"store/identity": {"store/redisserver", "store/redistest", "store/slots"},
	"store/move":     {"store/redisserver"},
	"store/pipeline": {"store/redisserver"},
	"store/node":     {"store/redisserver"},
	"store/grant":    {"store/pipeline", "store/redisserver"},
	"store/relay":    {"store/redisserver"},
	"peers":          {"store/node", "store/pipeline", "store/redisserver"},
	"store/timeline": {"store/redisserver"},
	"cloud":          {"devicelog", "store/outbox", "wire", "certificate/selfsigned", "store/keys", "store/redistest", "wire/mqtt", "simulator/mqttlite", "simulator", "cloud/cloudtest", "deploy/haproxy", "api", "api/client"},                                                                                                              // the whole path, in one process
	"api/rest":       {"calendar", "store", "store/storetest", "audit", "ota", "ota/image", "api/client", "api/account", "api/channels", "api/exports", "notify/webhook", "api/history", "history", "api/rehearsal", "ota/rehearsal", "api/updates", "api/upload", "api/jobs", "job", "ota/pace", "ota/remaining", "api/particle", "api/nrf"}, // operations run against the real rules on an ephemeral store
	"api/client":     {"cloud", "configs", "api/route"},                                                                                                                                                                                                                                                                                       // its example calls a whole server
	"api/route":      {"store"},
	"console":        {"notify/webhook", "store", "store/spool", "store/storetest", "ota", "ota/image", "ota/pace"},
	"conform":        {"simulator", "simulator/mqttlite"}, // it aims itself at simulated devices

	"history":             {"ota/otatest", "store/storetest"},
	"ota":                 {"ota/otatest"},
	"ota/rehearsal":       {"audit", "calendar", "event", "ota/image", "ota/otatest"},
	"ota/release":         {"calendar", "ota/otatest"},
	"ota/rollout":         {"ota/otatest"},
	"ota/remaining":       {"calendar", "wire", "ota/otatest"},
	"simulator/mqttlite":  {"wire"}, // it reads chunks
	"chaos":               {"cloud/cloudtest"},
	"siege":               {"fleet", "wire/mqtt", "cloud/cloudtest", "certificate", "certificate/selfsigned", "api", "simulator", "simulator/mqttlite"},
	"console/browsertest": {"fleet", "wire", "cloud", "cloud/cloudtest", "api", "api/client", "console", "simulator", "store/timeline"},
	"simulator":           {"cloud", "configs", "api", "api/client"}, // its example runs against a whole server
}

// badNames do not describe what a package hides.
var badNames = []string{"util", "utils", "common", "pkg", "models", "types", "helper", "helpers", "misc", "base", "shared", "lib", "impl", "manager"}

// maxLines bounds a file of code; longFiles are the exceptions, each with its reason.
const maxLines = 300

var longFiles = map[string]string{}

// listed is what `go list` prints about a package.
type listed struct {
	ImportPath, Name, Doc string
	Imports               []string
	TestImports           []string
	XTestImports          []string
}

// below is the package's path below the module.
func (p listed) below() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func TestPackagesAreThoseOfTheTable(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		found[p.below()] = true
		if _, known := mayImport[p.below()]; !known {
			t.Errorf("package %s is not in the table: add what it may import, here and in docs/architecture.md", p.below())
		}
	}
	for pkg := range mayImport {
		if !found[pkg] {
			t.Errorf("package %q of the table does not exist", pkg)
		}
	}
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, p := range packages(t) {
		pkg := p.below()
		for _, imported := range ours(p.Imports) {
			if !slices.Contains(mayImport[pkg], imported) {
				t.Errorf("%s imports %s, which docs/architecture.md forbids", pkg, imported)
			}
		}
		for _, imported := range ours(append(p.TestImports, p.XTestImports...)) {
			if imported != pkg && !slices.Contains(mayImport[pkg], imported) && !slices.Contains(testsMayImport[pkg], imported) {
				t.Errorf("the tests of %s import %s, which docs/architecture.md forbids", pkg, imported)
			}
		}
	}
}

func TestPackagesHaveComments(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment is %q, want one that begins with %q", p.ImportPath, p.Doc, want)
		}
		for part := range strings.SplitSeq(p.below(), "/") {
			if slices.Contains(badNames, part) {
				t.Errorf("%s: %q does not describe what the package hides", p.ImportPath, part)
			}
		}
	}
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	long := map[string]bool{}
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		if lines := bytes.Count(read(t, file), []byte("\n")); lines > maxLines {
			long[file] = true
			if longFiles[file] == "" {
				t.Errorf("%s has %d lines, %d are allowed: it does more than one thing", file, lines, maxLines)
			}
		}
	}
	for file, reason := range longFiles {
		if !long[file] || reason == "" {
			t.Errorf("%s needs no exception, or has no reason for one", file)
		}
	}
}

// What crosses HTTP lives in api, the radio in wire, Redis in store.
func TestVocabularyCarriesNoTags(t *testing.T) {
	for _, file := range tracked(t, ".go") {
		if path.Dir(file) != "fleet" {
			continue
		}
		ast.Inspect(parse(t, file, read(t, file)), func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				t.Errorf("%s: a field has the tag %s", file, field.Tag.Value)
			}
			return true
		})
	}
}

// Two packages that spell the keys of Redis would sooner or later spell them differently.
func TestOnlyOnePackageSpellsKeysOfRedis(t *testing.T) {
	key := regexp.MustCompile("^[\"`][a-z]{1,8}:\\{")
	spelled := map[string]int{}
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, file, read(t, file)), func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && key.MatchString(literal.Value) {
				spelled[path.Dir(file)]++
			}
			return true
		})
	}
	for pkg := range spelled {
		if pkg != "store/keys" {
			t.Errorf("%s spells keys of Redis: add them to store/keys", pkg)
		}
	}
	if spelled["store/keys"] == 0 {
		t.Error("store/keys spells no keys: this test looks for the wrong thing")
	}
}

func TestFilesNameNoMachine(t *testing.T) {
	folders := []string{"home", "root", "Users", "work", "mnt"}
	machine := regexp.MustCompile(`(?:^|[^A-Za-z0-9_.~/{}$-])/(?:` + strings.Join(folders, "|") + `)/`)
	for _, file := range tracked(t, "") {
		text := read(t, file)
		if bytes.IndexByte(text, 0) >= 0 || !slices.ContainsFunc(folders, func(folder string) bool { return bytes.Contains(text, []byte("/"+folder+"/")) }) {
			continue // a search for five words takes a twentieth of the expression
		}
		if found := machine.Find(text); found != nil {
			t.Errorf("%s: %q is a path of somebody's machine", file, bytes.TrimSpace(found))
		}
	}
}

// A reference such as docs/protocol.md#hello has a target.
func TestReferencesToDocumentsHaveTargets(t *testing.T) {
	reference := regexp.MustCompile(`docs/([a-z0-9/-]+\.md)(?:#([a-z0-9-]+)|, "([^"]+)")?`)
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchors := map[string][]string{}
	for _, file := range tracked(t, ".go") {
		for _, found := range reference.FindAllStringSubmatch(string(read(t, file)), -1) {
			document := "docs/" + found[1]
			if _, known := anchors[document]; !known {
				text, err := os.ReadFile(document)
				if err != nil {
					t.Errorf("%s refers to %s: %v", file, document, err)
				}
				anchors[document] = []string{""}
				for _, h := range heading.FindAllSubmatch(text, -1) {
					anchors[document] = append(anchors[document], anchor(string(h[1])))
				}
			}
			if want := found[2] + anchor(found[3]); !slices.Contains(anchors[document], want) {
				t.Errorf("%s refers to %s, which has no heading %q", file, found[0], want)
			}
		}
	}
}

func anchor(heading string) string {
	return regexp.MustCompile(`[^a-z0-9-]`).ReplaceAllString(strings.ReplaceAll(strings.ToLower(heading), " ", "-"), "")
}

// packages is every package of the module, also those with tests behind a build tag.
func packages(t *testing.T) (all []listed) {
	t.Helper()
	command := exec.Command("go", "list", "-tags", "interop,browser", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports", "./...")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// ours is the packages of this module among imports, by their path below it.
func ours(imports []string) (paths []string) {
	for _, imported := range imports {
		if pkg, ok := strings.CutPrefix(imported, module+"/"); ok {
			paths = append(paths, pkg)
		}
	}
	return paths
}

// tracked is the files with this ending that are, or would be, in the repository.
func tracked(t *testing.T, ending string) (files []string) {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not a git work tree: %v", err)
	}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(file); err == nil && strings.HasSuffix(file, ending) {
			files = append(files, file)
		}
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// parse reads Go code, a string or bytes; file is its name in errors.
func parse(t *testing.T, file string, code any) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, code, 0)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
