package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// signedIn is one context: a server and a token for it.
type signedIn struct {
	URL     string    `json:"url"`
	Email   string    `json:"email"`
	Team    string    `json:"team"`    // its name
	TeamID  string    `json:"team_id"` // absent in a file of an early version
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// contexts are the servers this user is signed in at. They live in the user's
// configuration folder, in a file nobody else may read.
type contexts struct {
	Current  string              `json:"current"`
	Contexts map[string]signedIn `json:"contexts"`
}

func contextsFile() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place for the contexts: %w", err)
	}
	return filepath.Join(folder, "muster", "contexts.json"), nil
}

// loadContexts reads the file; without one there are none. A file that others may read
// is refused: the tokens in it are as good as passwords.
func loadContexts() (*contexts, error) {
	all := &contexts{Contexts: map[string]signedIn{}}
	name, err := contextsFile()
	if err != nil {
		return all, nil //nolint:nilerr // without a home nobody is signed in; saving says why
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("others may read your tokens: chmod 600 %s", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, all); err != nil {
		return nil, fmt.Errorf("%s: %w; mend it, or delete it and sign in again", name, err)
	}
	if all.Contexts == nil {
		all.Contexts = map[string]signedIn{}
	}
	return all, nil
}

// find is a context by name; to name one that is not there is misuse.
func (c *contexts) find(name string) (signedIn, error) {
	found, ok := c.Contexts[name]
	switch {
	case ok:
		return found, nil
	case len(c.Contexts) == 0:
		return found, wrongUse("there is no context %q, nor any other: muster login URL makes one", name)
	}
	return found, wrongUse("there is no context %q, only: %s; muster login makes one", name, strings.Join(slices.Sorted(maps.Keys(c.Contexts)), ", "))
}

// save writes the file as a whole or not at all.
func (c *contexts) save() error {
	name, err := contextsFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(name), "contexts-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(append(text, '\n'))
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), name)
}

// at is the context that is signed in at base, the current one before others.
func (c *contexts) at(base string) (signedIn, bool) {
	if current := c.Contexts[c.Current]; current.URL == base {
		return current, true
	}
	for _, one := range c.Contexts {
		if one.URL == base {
			return one, true
		}
	}
	return signedIn{}, false
}

// drop forgets a context; the last one left becomes the current one.
func (c *contexts) drop(name string) {
	delete(c.Contexts, name)
	if c.Current != name {
		return
	}
	c.Current = ""
	if len(c.Contexts) == 1 {
		for other := range c.Contexts {
			c.Current = other
		}
	}
}

// nameFor is what the context of a server is called where nobody chose a name.
func nameFor(base string) string {
	_, host, _ := strings.Cut(base, "://")
	return host
}
