package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/muster-iot/muster/cloud"
)

type storeCmd struct {
	Migrate migrateCmd `cmd:"" help:"Migrate the store of an older release, on the server's machine while the server is stopped. Make a backup first." example:"muster store migrate --data /var/lib/muster"`
	Move    moveCmd    `cmd:"" help:"Move the store to another Redis, such as a Cluster, on the server's machine while the server is stopped." example:"muster store move --data /var/lib/muster --to 'redis://node1:6379?addr=node2:6379&addr=node3:6379'"`
}

// stopped are the flags that name the store of a server that is stopped.
type stopped struct {
	Config string  `help:"The server's configuration file." type:"existingfile" placeholder:"FILE"`
	Data   *string `help:"The server's data folder (default data)." placeholder:"DIR"`
	Redis  *string `help:"The server's Redis, if it does not start its own." placeholder:"URL"`
}

func (s *stopped) load() (cloud.Config, error) {
	config, err := (&serveCmd{Config: s.Config, Data: s.Data, Redis: s.Redis}).load()
	if err != nil {
		return cloud.Config{}, err
	}
	where := cloud.Config{Config: config}
	where.Logger = newLogger(config.Log)
	return where, nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

type migrateCmd struct {
	stopped
	DryRun bool `help:"Read every record, and change nothing."`
}

// Run migrates the store, and prints what it does.
func (c *migrateCmd) Run(ctx context.Context) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	return cloud.MigrateStore(ctx, config, c.DryRun, say)
}

type moveCmd struct {
	stopped
	To string `help:"The other Redis, which must be empty." required:"" placeholder:"URL"`
}

// Run moves the store, and prints what it does.
func (c *moveCmd) Run(ctx context.Context) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	return cloud.MoveStore(ctx, config, c.To, say)
}

// withCommand adds the command that migrates the store to an error that says that it must be.
func (s *serveCmd) withCommand(err error) error {
	if !cloud.OlderLayout(err) {
		return err
	}
	return fmt.Errorf("%w\nthe command is: %s", err, s.migration())
}

// migration is the command that migrates the store which these flags name.
func (s *serveCmd) migration() string {
	words := []string{"muster", "store", "migrate"}
	if s.Config != "" {
		words = append(words, "--config", quoted(s.Config))
	}
	if s.Data != nil {
		words = append(words, "--data", quoted(*s.Data))
	}
	if s.Redis != nil {
		words = append(words, "--redis", "URL") // it may have a password
	}
	return strings.Join(words, " ")
}

// quoted returns a word for a shell.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
