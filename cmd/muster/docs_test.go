package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md")

// serverGroup is the group of flags that every verb for a server has. The introduction of the
// reference describes them once.
const serverGroup = "Server:"

// reference is the file of all verbs; what follows the mark is generated here.
const (
	reference = "../../docs/cli.md"
	mark      = "<!-- Generated from here on by: go test ./cmd/muster -run TestReferenceHasEveryVerb -update -->\n"
)

func TestReferenceHasEveryVerb(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	intro, got, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatalf("%s has no line %s", reference, mark)
	}
	want := referenceText(parser(t))
	if *update {
		if err := os.WriteFile(reference, []byte(intro+mark+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/cli.md does not match the command line (to fix it: go test ./cmd/muster -run %s -update): -want +got\n%s", t.Name(), diff)
	}
}

func TestHelpIsComplete(t *testing.T) {
	for _, verb := range parser(t).Model.Leaves(true) {
		for _, f := range verb.Flags {
			if f.Help == "" || strings.Contains(f.Help, "${") || f.Group != nil && strings.Contains(f.Group.Title, "$") {
				t.Errorf("%s --%s: help %q below %+v", verb.FullPath(), f.Name, f.Help, f.Group)
			}
		}
	}
}

func TestEveryVerbHasAnExample(t *testing.T) {
	for _, verb := range parser(t).Model.Leaves(true) {
		example := verb.Tag.Get("example")
		if !strings.HasPrefix(example, verb.FullPath()) && verb.Name != "completion" {
			t.Errorf("the example of %s is %q", verb.FullPath(), example)
		}
	}
}

// TestEveryVerbIsInAScript keeps the scripts complete as tests and as tutorials.
func TestEveryVerbIsInAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, verb := range parser(t).Model.Leaves(true) {
		if !strings.Contains(all.String(), "exec "+verb.FullPath()) {
			t.Errorf("no script runs: %s", verb.FullPath())
		}
	}
}

// TestAKnownNounIsAllThatIsRead holds that a verb means the same whether its noun is read alone or with all others.
func TestAKnownNounIsAllThatIsRead(t *testing.T) {
	verbs := func(of []*kong.Node) (all []string) {
		for _, top := range of {
			for _, verb := range append(top.Leaves(true), top) {
				all = append(all, fmt.Sprintf("%s %d %q", verb.Summary(), len(verb.Flags), verb.Help))
			}
		}
		return all
	}
	whole := parser(t).Model.Children
	for _, top := range whole {
		alone, err := newParser(grammar(top.Name))
		if err != nil {
			t.Fatal(err)
		}
		want := []*kong.Node{top}
		if top.Name == "complete" {
			want = whole
		}
		if got, want := verbs(alone.Model.Children), verbs(want); !slices.Equal(got, want) {
			t.Errorf("%s alone:\ngot  %q\nwant %q", top.Name, got, want)
		}
	}
	for _, other := range []string{"--help", "devcie", "verbs"} {
		if _, all := grammar(other).(*commands); !all {
			t.Errorf("%s is read alone", other)
		}
	}
}

func parser(t *testing.T) *kong.Kong {
	t.Helper()
	p, err := newParser(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// referenceText is the generated part: a section for each verb.
func referenceText(p *kong.Kong) string {
	var b strings.Builder
	group := ""
	for _, top := range p.Model.Children {
		if top.Hidden {
			continue
		}
		if title := strings.TrimSuffix(top.Group.Title, ":"); title != group {
			group = title
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		verbs := []*kong.Node{top}
		if !top.Leaf() {
			verbs = top.Leaves(true)
		}
		for _, verb := range verbs {
			verbText(&b, verb)
		}
	}
	return b.String()
}

func verbText(b *strings.Builder, verb *kong.Node) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n```sh\n%s\n```\n", verb.FullPath(), verb.Help, verb.Tag.Get("example"))
	var rows []string
	for _, arg := range verb.Positional {
		rows = append(rows, row("`"+arg.Summary()+"`", arg))
	}
	for _, f := range verb.Flags {
		if f.Name == "help" || f.Group != nil && f.Group.Title == serverGroup {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + " " + name
		}
		if !f.IsBool() {
			name += " " + f.FormatPlaceHolder()
		}
		rows = append(rows, row("`"+name+"`", f.Value))
	}
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| | |\n|---|---|\n%s", strings.Join(rows, ""))
	}
}

func row(name string, v *kong.Value) string {
	help := v.Help
	if len(v.Tag.Envs) > 0 {
		help += " Also `" + strings.Join(v.Tag.Envs, "`, `") + "`."
	}
	if v.HasDefault && v.Default != "" {
		help += " Default: `" + v.Default + "`."
	}
	return fmt.Sprintf("| %s | %s |\n", name, strings.ReplaceAll(help, "|", `\|`))
}
