package cloud

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ending is how long a server that was stopped may take to release its folder.
const ending = 2 * time.Second

// ResetPassword generates a new password for an account, revokes its tokens and returns the
// password. It requires no right other than access to the data folder and its Redis. It
// returns an error when the server is running. Of config it uses Data and Redis.
func ResetPassword(ctx context.Context, config Config, email string) (password string, err error) {
	if config.Redis.Ephemeral {
		return "", errors.New("an ephemeral server keeps no passwords: restart it")
	}
	if err := config.used(); err != nil {
		return "", err
	}
	config.ReadyFile = ""
	c := unopened(config)
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.alone(ctx); err != nil {
		return "", err
	}
	if err := c.build(ctx); err != nil {
		return "", err
	}
	password = rand.Text()
	return password, c.accounts.ResetPassword(ctx, email, password)
}

// used returns an error unless a server has used the data folder: a typo must not create a new one.
func (c *Config) used() error {
	if _, err := os.Stat(filepath.Join(c.Data, "lock")); err != nil {
		return fmt.Errorf("no server has kept a fleet in the folder %s: name the right one with --data", c.Data)
	}
	return nil
}

// alone takes the folder, and fails when a server has it.
func (c *Cloud) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	return c.takeFolder(ctx)
}
