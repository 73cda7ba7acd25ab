package configs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader lays one YAML document over a Config. It walks the syntax tree rather than
// decoding, because mistakes are reported with their lines, all at once, and without the
// excerpt of the file (it may hold a password) that the library's own errors print.
type reader struct {
	file     string
	keys     map[string]value
	sections map[string]bool
	names    []string // of keys and sections
	errs     []error
}

// read applies data, the contents of the file named name.
func (c *Config) read(name string, data []byte) error {
	r := &reader{file: name, keys: map[string]value{}, sections: map[string]bool{}}
	for _, k := range c.keys() {
		r.keys[k.name] = k.value
		r.names = append(r.names, k.name)
		if section, _, ok := strings.Cut(k.name, "."); ok && !r.sections[section] {
			r.sections[section] = true
			r.names = append(r.names, section)
		}
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			return fmt.Errorf("%s:%d: %s", name, syntax.GetToken().Position.Line, syntax.GetMessage())
		}
		return fmt.Errorf("%s: not YAML", name)
	}
	if len(parsed.Docs) > 1 {
		return fmt.Errorf("%s: more than one document", name)
	}
	for _, doc := range parsed.Docs {
		r.section("", doc.Body)
	}
	return errors.Join(r.errs...)
}

// section sets the keys of a mapping; prefix is "" or the section's name with a dot.
func (r *reader) section(prefix string, node ast.Node) {
	if node == nil || node.Type() == ast.NullType || node.Type() == ast.CommentType {
		return
	}
	var pairs ast.MapNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n
	case *ast.MappingValueNode:
		pairs = n
	default:
		r.fail(node, "expected keys, each with a colon behind it")
		return
	}
	for it := pairs.MapRange(); it.Next(); {
		if name, ok := plain(it.Key()); ok {
			r.pair(prefix+name, it.Key(), it.Value())
		} else {
			r.fail(it.Key(), "expected a plain key")
		}
	}
}

func (r *reader) pair(name string, at, node ast.Node) {
	switch v, known := r.keys[name]; {
	case known:
		r.set(name, v, node)
	case r.sections[name]:
		r.section(name+".", node)
	default:
		hint := ""
		if near := r.nearest(name); near != "" {
			hint = fmt.Sprintf(", did you mean %q?", near)
		}
		r.fail(at, "unknown key %.80q%s", name, hint)
	}
}

// nearest returns the known name most like the unknown one. It finds a key in the wrong
// section, or in none, by its last part.
func (r *reader) nearest(name string) string {
	if near := nearest(name, r.names, max(2, len(name)/3)); near != "" {
		return near
	}
	last := name[strings.LastIndex(name, ".")+1:]
	for _, candidate := range r.names {
		if strings.HasSuffix(candidate, "."+last) {
			return candidate
		}
	}
	return ""
}

func (r *reader) set(name string, v value, node ast.Node) {
	text, ok := r.text(v, node)
	if !ok {
		return
	}
	if err := v.Set(text); err != nil {
		r.fail(node, "%s: %w", name, err)
	}
}

// text returns the text of a node; a list's is separated by commas.
func (r *reader) text(v value, node ast.Node) (string, bool) {
	if n, ok := node.(*ast.SequenceNode); ok {
		if _, several := v.(list); !several {
			r.fail(node, "expected one value, not a list")
			return "", false
		}
		parts := make([]string, len(n.Values))
		for i, part := range n.Values {
			if parts[i], ok = plain(part); !ok {
				r.fail(part, "expected a plain value")
				return "", false
			}
		}
		return strings.Join(parts, ","), true
	}
	text, ok := plain(node)
	if !ok {
		r.fail(node, "expected a plain value")
	}
	return text, ok
}

// plain returns the text of a node that is a plain value: not a mapping, and not an anchor,
// alias, tag or merge, which give a text another meaning.
func plain(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (r *reader) fail(at ast.Node, format string, args ...any) {
	line := at.GetToken().Position.Line
	r.errs = append(r.errs, fmt.Errorf("%s:%d: "+format, append([]any{r.file, line}, args...)...))
}
