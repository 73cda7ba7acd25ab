//go:build !race

package muster

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestADeviceIDBecomesATextByItsMethodOnly looks for conversions of a fleet.DeviceID: it has the device's
// team, too, which no text may show (docs/adr/0040). Packages that spell it are excepted. Where people
// name devices, a text becomes a DeviceID by a function that leaves no team in it.
func TestADeviceIDBecomesATextByItsMethodOnly(t *testing.T) {
	t.Parallel()
	const device = module + "/fleet.DeviceID"
	spell := map[string]bool{module + "/fleet": true, module + "/store/keys": true}
	all := exported(t)
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
	typed := []string{"/api", "/console"} // what is typed or sent there may have a "/"
	looked := 0
	for path, p := range all {
		if p.Standard || spell[path] || path != module && !strings.HasPrefix(path, module+"/") {
			continue
		}
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		if _, err := (&types.Config{Importer: imports}).Check(path, files, parsed, &info); err != nil {
			t.Fatal(err)
		}
		looked += len(parsed)
		for e, to := range info.Types {
			call, ok := e.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 || !info.Types[call.Fun].IsType() {
				continue
			}
			if from := info.Types[call.Args[0]]; from.Value == nil && from.Type.String() == device && to.Type.String() != device {
				t.Errorf("%s: a device id is converted to %s: use its method String", files.Position(call.Pos()), to.Type)
			} else if from.Value == nil && from.Type.String() != device && to.Type.String() == device && slices.ContainsFunc(typed, func(p string) bool { return strings.HasPrefix(path, module+p) }) {
				t.Errorf("%s: %s is converted to a device id: use fleet.DeviceNamed or ParseDeviceID", files.Position(call.Pos()), from.Type)
			}
		}
	}
	if looked < 500 {
		t.Errorf("looked at %d files only", looked)
	}
}

// compiled is what `go list -export` prints about a package.
type compiled struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Standard                bool
}

// exported returns all packages of the module and what they import, compiled.
func exported(t *testing.T) map[string]compiled {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard", "./...").Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]compiled{}
	for list := json.NewDecoder(strings.NewReader(string(out))); list.More(); {
		var p compiled
		if err := list.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}
