package main

import (
	"maps"
	"slices"
	"time"
)

type contextCmd struct {
	List   contextListCmd   `cmd:"" default:"withargs" help:"List the servers you are signed in at." example:"muster context list"`
	Use    contextUseCmd    `cmd:"" help:"Make a context the current one." example:"muster context use muster.example.com"`
	Delete contextDeleteCmd `cmd:"" help:"Forget a context without telling its server; muster logout tells it." example:"muster context delete old"`
}

type contextListCmd struct {
	JSON bool `name:"json" help:"Answer in JSON, for programs. Tokens are left out."`
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
	out := remote{JSON: c.JSON}
	out.hint(len(shown), "You are signed in nowhere: muster login URL")
	return out.show(shown, func(t *table) {
		t.row("NAME", "CURRENT", "URL", "EMAIL", "TEAM", "TOKEN ENDS")
		for _, one := range shown {
			t.row(one.Name, map[bool]string{true: "yes"}[one.Current], one.URL, one.Email, one.Team, one.Expires.Format(time.DateOnly))
		}
	})
}

type contextUseCmd struct {
	Name string `arg:"" help:"Name of the context." complete:"context"`
}

// Run makes one the current one.
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

// Run forgets one.
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
