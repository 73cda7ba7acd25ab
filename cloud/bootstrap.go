package cloud

import (
	"context"
	"crypto/rand"
	"fmt"
)

// firstTeam is what the team of an empty store is called until its owner renames it.
const firstTeam = "Team"

// bootstrap makes the first team and its owner on an empty store. Where no password was
// configured it makes one and tells it, this once.
func (c *Cloud) bootstrap(ctx context.Context) error {
	needed, err := c.accounts.Empty(ctx)
	if err != nil || !needed {
		return err
	}
	email, password := c.config.OwnerEmail, c.config.OwnerPassword
	if password == "" {
		password = rand.Text()
	}
	made, err := c.accounts.Bootstrap(ctx, firstTeam, email, password)
	if err != nil {
		return fmt.Errorf("first team: %w", err)
	}
	if made && c.config.OwnerPassword == "" && c.config.TellPassword != nil {
		c.config.TellPassword(email, password)
	}
	return nil
}
