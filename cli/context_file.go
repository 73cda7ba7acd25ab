package cli

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
	TeamID  string    `json:"team_id"` // missing in files of early versions
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// contexts are the servers this user is signed in to, stored in the user's configuration
// folder, in a file that nobody else may read.
type contexts struct {
	Current  string              `json:"current"`
	Contexts map[string]signedIn `json:"contexts"`
}

func contextsFile() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder to store contexts in: %w", err)
	}
	return filepath.Join(folder, "muster", "contexts.json"), nil
}

// loadContexts reads the file; if it does not exist there are no contexts. It rejects a file
// that others may read: tokens are as good as passwords.
func loadContexts() (*contexts, error) {
	all := &contexts{Contexts: map[string]signedIn{}}
	name, err := contextsFile()
	if err != nil {
		return all, nil //nolint:nilerr // without a home folder nobody is signed in; save returns this error
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("other users can read your tokens: run chmod 600 %s", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, all); err != nil {
		return nil, fmt.Errorf("%s: %w; fix it, or delete it and sign in again", name, err)
	}
	if all.Contexts == nil {
		all.Contexts = map[string]signedIn{}
	}
	return all, nil
}

// find returns a context by name. An unknown name is misuse.
func (c *contexts) find(name string) (signedIn, error) {
	found, ok := c.Contexts[name]
	switch {
	case ok:
		return found, nil
	case len(c.Contexts) == 0:
		return found, Misuse("there is no context %q; you have none yet. Create one with muster login URL", name)
	}
	return found, Misuse("there is no context %q; you have: %s. Create one with muster login URL", name, strings.Join(slices.Sorted(maps.Keys(c.Contexts)), ", "))
}

// save replaces the file atomically.
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
	part, err := os.CreateTemp(filepath.Dir(name), "contexts-*") // with mode 0600
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

// at returns a context that is signed in at base, preferring the current one.
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

// drop deletes a context. If only one is left it becomes the current one.
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

// nameFor is the default name of a server's context.
func nameFor(base string) string {
	_, host, _ := strings.Cut(base, "://")
	return host
}
