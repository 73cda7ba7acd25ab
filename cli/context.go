package cli

import (
	"maps"
	"slices"
	"time"
)

type contextCmd struct {
	List   contextListCmd   `cmd:"" default:"withargs" help:"List the servers you are signed in to." example:"muster context list"`
	Use    contextUseCmd    `cmd:"" help:"Switch to another context." example:"muster context use muster.example.com"`
	Delete contextDeleteCmd `cmd:"" help:"Delete a context on this machine only; muster logout revokes its token too." example:"muster context delete old"`
}

type contextListCmd struct {
	JSON bool `name:"json" help:"Print JSON, for programs. It never includes tokens."`
}

// shownContext is a context without its token.
type shownContext struct {
	Name    string    `json:"name"`
	Current bool      `json:"current"`
	URL     string    `json:"url"`
	Email   string    `json:"email"`
	Team    string    `json:"team"`
	Expires time.Time `json:"expires"`
}

// Run lists all contexts.
func (c *contextListCmd) Run() error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	shown := []shownContext{}
	for _, name := range slices.Sorted(maps.Keys(all.Contexts)) {
		one := all.Contexts[name]
		shown = append(shown, shownContext{name, name == all.Current, one.URL, one.Email, one.Team, one.Expires})
	}
	return remote{JSON: c.JSON}.show(shown, func(t *table) {
		t.hint(len(shown), "You are not signed in to any server. Sign in with: muster login URL")
		t.row("NAME", "CURRENT", "URL", "EMAIL", "TEAM", "TOKEN EXPIRES")
		for _, one := range shown {
			t.row(one.Name, map[bool]string{true: "yes"}[one.Current], one.URL, one.Email, one.Team, one.Expires.Format(time.DateOnly))
		}
	})
}

type contextUseCmd struct {
	Name string `arg:"" help:"Name of the context." complete:"context"`
}

// Run switches to a context.
func (c *contextUseCmd) Run() error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	if _, err := all.find(c.Name); err != nil {
		return err
	}
	all.Current = c.Name
	return all.save()
}

type contextDeleteCmd struct {
	Name string `arg:"" help:"Name of the context." complete:"context"`
}

// Run deletes a context.
func (c *contextDeleteCmd) Run() error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	if _, err := all.find(c.Name); err != nil {
		return err
	}
	all.drop(c.Name)
	return all.save()
}
