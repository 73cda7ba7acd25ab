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

// ending is how long a server that was stopped may still hold its folder.
const ending = 2 * time.Second

// ResetPassword makes a new password for an account whose own is lost, ends its tokens, and
// returns it. Whoever may read the data folder and its Redis needs no other right. The
// server must be stopped: one that runs is an error. Of config it needs what says where
// the fleet is kept.
func ResetPassword(ctx context.Context, config Config, email string) (password string, err error) {
	if config.Ephemeral {
		return "", errors.New("an ephemeral server keeps no passwords: start it anew")
	}
	if _, err := os.Stat(filepath.Join(config.Data, "lock")); err != nil { // a typo must not become a new folder
		return "", fmt.Errorf("no server has kept a fleet in the folder %s: say which with --data", config.Data)
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

// alone takes the folder of a server that does not run.
func (c *Cloud) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	return c.takeFolder(ctx)
}
