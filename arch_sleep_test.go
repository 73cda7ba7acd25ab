package muster

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// sleepers are the tests that may sleep in real time, each with its reason.
var sleepers = map[string]string{
	"TestSimultaneousConnectionsOfOneDevice": "widens a race between real sockets; no outcome waits for it",
}

// A test that sleeps in real time is wrong: it is slow, and fails on a slow machine.
// Inside a synctest bubble a sleep costs nothing. The test knows names only, not types; a
// function literal in a function that starts a bubble counts as run there.
func TestTestsSleepInFakeTimeOnly(t *testing.T) {
	folders := map[string]*sleeps{}
	for _, file := range tracked(t, "_test.go") {
		folder := folders[path.Dir(file)]
		if folder == nil {
			folder = &sleeps{bubblers: map[string]bool{}, functions: map[string]*function{}}
			folders[path.Dir(file)] = folder
		}
		folder.add(file, parse(t, file, read(t, file)))
	}
	for _, folder := range folders {
		folder.settle()
		for name, f := range folder.functions {
			if f.sleeps && !f.fake && sleepers[name] == "" {
				t.Errorf("%s: %s sleeps in real time: use testing/synctest, or wait for what it waits for", f.file, name)
			}
		}
	}
}

func TestSleepsAreFound(t *testing.T) {
	for name, row := range map[string]struct {
		code string
		real string // the function that sleeps in real time, "" when none
	}{
		"plain":            {`func TestA(t *testing.T) { time.Sleep(1) }`, "TestA"},
		"in a bubble":      {`func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }`, ""},
		"beside one":       {`func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) {}); time.Sleep(1) }`, "TestA"},
		"helper":           {`func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { b() }) }; func b() { time.Sleep(1) }`, ""},
		"helper of both":   {`func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { b() }); b() }; func b() { time.Sleep(1) }`, "b"},
		"own bubbler":      {`func TestA(t *testing.T) { run(t, func() { time.Sleep(1) }) }; func run(t *testing.T, f func()) { synctest.Test(t, func(t *testing.T) { f() }) }`, ""},
		"literal in a row": {`func TestA(t *testing.T) { f := func() { time.Sleep(1) }; synctest.Test(t, func(t *testing.T) { f() }) }`, ""},
		"bubbler's caller": {`func TestA(t *testing.T) { b(t, func() { time.Sleep(1) }) }; func b(t *testing.T, f func()) { c(t, func() { f() }) }; func c(t *testing.T, f func()) { synctest.Test(t, func(t *testing.T) { f() }) }`, ""},
		"through two":      {`func TestA(t *testing.T) { a() }; func a() { b() }; func b() { time.Sleep(1) }`, "b"},
	} {
		file := parse(t, "row.go", "package p\n"+row.code)
		s := &sleeps{bubblers: map[string]bool{}, functions: map[string]*function{}}
		s.add("p_test.go", file)
		s.settle()
		got := ""
		for name, f := range s.functions {
			if f.sleeps && !f.fake {
				got += name
			}
		}
		if got != row.real {
			t.Errorf("%s: got %q, want %q", name, got, row.real)
		}
	}
}

// sleeps is what is known about sleeping in the tests of one folder.
type sleeps struct {
	files     []*ast.File
	bubblers  map[string]bool // functions that run what they are given in a bubble
	functions map[string]*function
}

// function is a top-level function or method, by its name alone.
type function struct {
	file   string
	sleeps bool     // outside of every bubble in it
	fake   bool     // it runs in bubbles only
	users  []string // functions that use it outside of every bubble in them
	used   bool     // anywhere
}

func (s *sleeps) add(name string, file *ast.File) {
	s.files = append(s.files, file)
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		if s.functions[f.Name.Name] == nil {
			s.functions[f.Name.Name] = &function{file: name}
		}
	}
}

// findBubblers finds the functions that call synctest.Test, or another bubbler with a
// function literal.
func (s *sleeps) findBubblers() {
	for before := -1; before < len(s.bubblers); {
		before = len(s.bubblers)
		for _, file := range s.files {
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				ast.Inspect(f.Body, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if ok && s.runsBubble(call.Fun) && slices.ContainsFunc(call.Args, isLiteral) {
						s.bubblers[f.Name.Name] = true
					}
					return true
				})
			}
		}
	}
}

// settle finds out which functions run in fake time only: those that are used, and only
// from bubbles and from functions of that kind.
func (s *sleeps) settle() {
	s.findBubblers()
	for _, file := range s.files {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				s.walk(f.Name.Name, f.Body, false)
			}
		}
	}
	for _, f := range s.functions {
		f.fake = f.used
	}
	for changed := true; changed; {
		changed = false
		for _, f := range s.functions {
			for _, user := range f.users {
				if f.fake && !s.functions[user].fake {
					f.fake, changed = false, true
				}
			}
		}
	}
}

// walk notes what function name does below n; bubble says whether that is in fake time.
func (s *sleeps) walk(name string, n ast.Node, bubble bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			if s.bubblers[name] && !bubble {
				s.walk(name, n.Body, true)
				return false
			}
		case *ast.CallExpr:
			if !s.runsBubble(n.Fun) {
				return true
			}
			for _, arg := range n.Args {
				s.walk(name, arg, true)
			}
			s.walk(name, n.Fun, bubble)
			return false
		case *ast.SelectorExpr:
			if isSelector(n, "time", "Sleep") && !bubble {
				s.functions[name].sleeps = true
			}
		case *ast.Ident:
			if f := s.functions[n.Name]; f != nil && n.Name != name {
				f.used = true
				if !bubble {
					f.users = append(f.users, name)
				}
			}
		}
		return true
	})
}

func (s *sleeps) runsBubble(called ast.Expr) bool {
	if isSelector(called, "synctest", "Test") {
		return true
	}
	switch called := called.(type) {
	case *ast.Ident:
		return s.bubblers[called.Name] && !strings.HasPrefix(called.Name, "Test")
	case *ast.SelectorExpr:
		return s.bubblers[called.Sel.Name]
	}
	return false
}

func isLiteral(e ast.Expr) bool {
	_, ok := e.(*ast.FuncLit)
	return ok
}

func isSelector(e ast.Expr, pkg, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	ident, ok := selector.X.(*ast.Ident)
	return ok && ident.Name == pkg
}
