package conform

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// requirement is a row of the table "Requirements for devices" of docs/protocol.md.
type requirement struct {
	what, level, section string
	cases                []string
	untestable           bool
}

func requirements(t *testing.T) []requirement {
	t.Helper()
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "## Requirements for devices")
	if !found {
		t.Fatal("docs/protocol.md has no section Requirements for devices")
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	anchor, name := regexp.MustCompile(`\]\(#([^)]*)\)`), regexp.MustCompile("`([a-z0-9-]+/[a-z0-9-]+)`")
	var all []requirement
	for line := range strings.SplitSeq(rest, "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 || !strings.HasPrefix(line, "| ") || strings.Contains(line, "| level |") {
			continue
		}
		r := requirement{what: strings.TrimSpace(cells[0]), level: strings.TrimSpace(cells[1]), section: anchor.FindStringSubmatch(cells[2])[1]}
		for _, m := range name.FindAllStringSubmatch(cells[3], -1) {
			r.cases = append(r.cases, m[1])
		}
		r.untestable = strings.Contains(cells[3], "not test")
		all = append(all, r)
	}
	return all
}

func TestEveryRequirementHasACaseOrAReason(t *testing.T) {
	byName := map[string]Case{}
	for _, c := range Cases() {
		if _, twice := byName[c.Name]; twice {
			t.Errorf("two cases are called %s", c.Name)
		}
		byName[c.Name] = c
	}
	listed := map[string]bool{}
	all := requirements(t)
	if len(all) < 30 {
		t.Fatalf("got %d requirements, want the whole table", len(all))
	}
	for _, r := range all {
		if len(r.cases) == 0 && !r.untestable {
			t.Errorf("%q has neither a case nor a reason why there is none", r.what)
		}
		for _, name := range r.cases {
			listed[name] = true
			c, known := byName[name]
			switch {
			case !known:
				t.Errorf("%q names the case %s, which does not exist", r.what, name)
			case string(c.Level) != r.level:
				t.Errorf("%s: the case's level is %s, the document's %s", name, c.Level, r.level)
			case c.Section != r.section:
				t.Errorf("%s: the case's section is %s, the document's %s", name, c.Section, r.section)
			}
		}
	}
	for name := range byName {
		if !listed[name] {
			t.Errorf("the case %s is not in docs/protocol.md, Requirements for devices", name)
		}
	}
}

func TestSectionsOfCasesExist(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	drop := regexp.MustCompile(`[^a-z0-9 -]`)
	for line := range strings.SplitSeq(string(text), "\n") {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			anchors[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")] = true
		}
	}
	for _, c := range Cases() {
		if !anchors[c.Section] {
			t.Errorf("%s: docs/protocol.md has no section #%s", c.Name, c.Section)
		}
	}
}
