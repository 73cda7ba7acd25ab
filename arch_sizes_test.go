//go:build !race

package muster

import (
	"bytes"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// maxPackage is how many lines a package may have, tests not counted.
const maxPackage = 2500

// widePackages may have more: they are wide by nature, one page or command beside the other.
var widePackages = []string{"console", "cli"}

func TestPackagesAreSmallEnoughToHold(t *testing.T) {
	lines := map[string]int{}
	for _, file := range tracked(t, ".go") {
		if !strings.HasSuffix(file, "_test.go") {
			lines[path.Dir(file)] += bytes.Count(read(t, file), []byte("\n"))
		}
	}
	for dir, n := range lines {
		if n > maxPackage && !slices.Contains(widePackages, dir) {
			t.Errorf("%s has %d lines, %d are allowed: find the part with an interface of its own", dir, n, maxPackage)
		}
	}
}

// refersToClients are the files that make clients of Redis. The compiler copies the two thousand methods of
// redis.Client, 8 MB, into each package that refers to it, even by a field of another package's type.
var refersToClients = []string{"store/pipeline/target.go", "store/serve.go"}

func TestClientsOfRedisAreInterfacesBeyondThoseThatMakeThem(t *testing.T) {
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "store/redistest/") || slices.Contains(refersToClients, file) {
			continue
		}
		ast.Inspect(parse(t, file, read(t, file)), func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if from, ok := s.X.(*ast.Ident); ok && from.Name == "redis" && slices.Contains([]string{"Client", "UniversalClient", "ClusterClient", "Conn", "Tx", "Options"}, s.Sel.Name) {
				t.Errorf("%s refers to redis.%s: use redis.Cmdable, slots.Node or pipeline.Master, which take a twentieth of the space", file, s.Sel.Name)
			}
			return true
		})
	}
}

// maxMethods is how many an interface may have (ADR 0010): a caller that needs more calls the type itself.
const maxMethods = 5

// wideInterfaces may have more.
var wideInterfaces = map[string]string{
	"broker.Session":  "all that the broker asks of what a connection does",
	"ota/image.Store": "a folder, and a bucket",
}

func TestInterfacesAreNarrow(t *testing.T) {
	types := map[string]*ast.InterfaceType{} // by folder and name
	named := map[*ast.InterfaceType]bool{}
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, file, read(t, file)), func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if i, ok := n.Type.(*ast.InterfaceType); ok {
					types[path.Dir(file)+"."+n.Name.Name], named[i] = i, true
				}
			case *ast.InterfaceType: // after the TypeSpec that names it, if one does
				if len(n.Methods.List) > maxMethods && !named[n] {
					t.Errorf("%s: an interface without a name has %d methods", file, len(n.Methods.List))
				}
			}
			return true
		})
	}
	var size func(dir string, i *ast.InterfaceType) int
	size = func(dir string, i *ast.InterfaceType) (n int) {
		for _, m := range i.Methods.List {
			switch of := m.Type.(type) {
			case *ast.FuncType:
				n++
			case *ast.Ident:
				if part := types[dir+"."+of.Name]; part != nil {
					n += size(dir, part)
				}
			case *ast.SelectorExpr: // of a package whose folder has its name, or a library's
				for name, part := range types {
					if strings.HasSuffix("/"+name, "/"+of.X.(*ast.Ident).Name+"."+of.Sel.Name) {
						n += size(strings.TrimSuffix(name, "."+of.Sel.Name), part)
					}
				}
			}
		}
		return n
	}
	for name, i := range types {
		if n := size(name[:strings.LastIndex(name, ".")], i); n > maxMethods && wideInterfaces[name] == "" {
			t.Errorf("%s has %d methods, %d are allowed (docs/adr/0010)", name, n, maxMethods)
		}
	}
}

// sharedNames are the names of types that more than three packages use, and mean the same by.
var sharedNames = map[string]string{
	"Config":  "what New works with",
	"Stats":   "counts of a part, for /metrics",
	"Service": "what a package named after its work is",
	"Device":  "a device, as far as the package looks at it",
	"Alert":   "an alert: on the wire, kept, and as front ends show it",
}

func TestATypeNameMeansOneThing(t *testing.T) {
	users := map[string][]string{}
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, decl := range parse(t, file, read(t, file)).Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && !s.Assign.IsValid() {
					users[s.Name.Name] = append(users[s.Name.Name], path.Dir(file))
				}
			}
		}
	}
	for name, dirs := range users {
		if len(dirs) > 3 && sharedNames[name] == "" {
			t.Errorf("%s is a type of %v: a name in more than three packages has to mean the same in each", name, dirs)
		}
		if len(dirs) <= 3 && sharedNames[name] != "" {
			t.Errorf("%s needs no exception", name)
		}
	}
}
