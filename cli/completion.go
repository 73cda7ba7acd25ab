package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: bash, zsh or fish."`
}

// completionScripts make each shell call `muster complete` for candidates.
var completionScripts = map[string]string{
	"bash": `_muster() {
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "$(muster complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _muster muster
`,
	"zsh": `#compdef muster
_muster() {
  local out="$(muster complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"
  local -a found
  [[ -n $out ]] && found=("${(@f)${out//$'\t'/:}}")
  if (( $#found )); then _describe muster found; else _files; fi
}
compdef _muster muster
`,
	"fish": `complete -c muster -a '(muster complete -- (commandline -opc)[2..] "$(commandline -ct)" 2>/dev/null)'
`,
}

// Run prints the script for one shell.
func (c *completionCmd) Run() error {
	_, err := fmt.Fprint(os.Stdout, completionScripts[c.Shell])
	return err
}

type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints candidates for the last word, one per line, each with a tab and its help.
func (c *completeCmd) Run(ctx context.Context, app *kong.Kong) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, line := range candidates(ctx, app.Model.Node, words) {
		fmt.Fprintln(os.Stdout, line)
	}
	return nil
}

// candidates walks down from node along words and returns candidates for the last one.
func candidates(ctx context.Context, node *kong.Node, words []string) []string {
	last := words[len(words)-1]
	var open *kong.Flag          // the flag whose value comes next
	given := map[string]string{} // flags so far
	args := 0                    // number of arguments so far
	for _, word := range words[:len(words)-1] {
		if open != nil {
			given[open.Name] = word
			open = nil
			continue
		}
		if strings.HasPrefix(word, "-") {
			if name, value, ok := strings.Cut(strings.TrimLeft(word, "-"), "="); ok {
				given[name] = value
			}
			open = opened(node, word)
			continue
		}
		if child := childOf(node, word); child != nil {
			node = child
		} else {
			args++
		}
	}
	switch {
	case open != nil:
		return values(ctx, open.Value, last, given)
	case strings.HasPrefix(last, "-"):
		return flags(node, last)
	case node.Leaf():
		return positional(ctx, node, args, last, given)
	}
	var found []string
	for _, child := range node.Children {
		if !child.Hidden && strings.HasPrefix(child.Name, last) {
			found = append(found, child.Name+"\t"+child.Help)
		}
	}
	return found
}

// opened returns the flag that word names if its value is the next word.
func opened(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) && !f.IsBool() {
				return f
			}
		}
	}
	return nil
}

func flags(node *kong.Node, prefix string) []string {
	var found []string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if name := "--" + f.Name; strings.HasPrefix(name, prefix) {
				found = append(found, name+"\t"+f.Help)
			}
		}
	}
	return found
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name || slices.Contains(child.Aliases, name) {
			return child
		}
	}
	return nil
}

// positional returns candidates for the argument that follows args others. The last argument
// may be repeatable.
func positional(ctx context.Context, node *kong.Node, args int, prefix string, given map[string]string) []string {
	n := len(node.Positional)
	if n == 0 || args >= n && !node.Positional[n-1].IsSlice() {
		return nil
	}
	return values(ctx, node.Positional[min(args, n-1)], prefix, given)
}

// values returns the values of an enumeration, or names from the server. For anything else
// the shell completes file names.
func values(ctx context.Context, v *kong.Value, prefix string, given map[string]string) []string {
	if kind := v.Tag.Get("complete"); kind != "" {
		return complete(ctx, kind, prefix, given)
	}
	var found []string
	for _, value := range v.EnumSlice() {
		if value != "" && strings.HasPrefix(value, prefix) {
			found = append(found, value)
		}
	}
	return found
}
