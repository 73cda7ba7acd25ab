package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completionScripts let each shell ask `muster complete` for what may come next.
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
	fmt.Print(completionScripts[c.Shell])
	return nil
}

type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what may stand where the last of the words is: one a line, each with a tab
// and what it means.
func (c *completeCmd) Run(ctx context.Context, app *kong.Kong) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, line := range candidates(ctx, app.Model.Node, words) {
		fmt.Println(line)
	}
	return nil
}

// candidates walks down from node along words and lists what may stand for the last.
func candidates(ctx context.Context, node *kong.Node, words []string) []string {
	last := words[len(words)-1]
	var open *kong.Flag          // waits for its value
	given := map[string]string{} // values of flags before
	args := 0                    // arguments of the verb before
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

// opened is the flag that word is, where its value is the next word.
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

// positional are values for the argument after args others; the last may stand repeatedly.
func positional(ctx context.Context, node *kong.Node, args int, prefix string, given map[string]string) []string {
	n := len(node.Positional)
	if n == 0 || args >= n && !node.Positional[n-1].IsSlice() {
		return nil
	}
	return values(ctx, node.Positional[min(args, n-1)], prefix, given)
}

// values are those v takes, where it takes only some, or names that the server knows; what
// else it takes is the shell's to guess.
func values(ctx context.Context, v *kong.Value, prefix string, given map[string]string) []string {
	if kind := v.Tag.Get("complete"); kind != "" {
		return known(ctx, kind, prefix, given)
	}
	var found []string
	for _, value := range v.EnumSlice() {
		if value != "" && strings.HasPrefix(value, prefix) {
			found = append(found, value)
		}
	}
	return found
}
