package cloud

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/muster-iot/muster/steady"
)

// firstTeam is the name of the first team until its owner renames it.
const firstTeam = "Team"

// bootstrap creates the first team and its owner on an empty store. Without a configured
// password it generates one and reports it, once.
func (c *Cloud) bootstrap(ctx context.Context) error {
	needed, err := c.accounts.Empty(ctx)
	for err == nil && needed && !c.store.Nodes().Holds(leaseBootstrap) { // another server is doing it, or is about to
		if !steady.Sleep(ctx, leaseEvery) {
			return ctx.Err()
		}
		needed, err = c.accounts.Empty(ctx)
	}
	if err != nil || !needed {
		return err
	}
	email, password := c.config.Owner.Email, c.config.Owner.Password.Reveal()
	if password == "" {
		password = rand.Text()
	}
	made, err := c.accounts.Bootstrap(ctx, firstTeam, email, password)
	if err != nil {
		return fmt.Errorf("first team: %w", err)
	}
	if made && c.config.Owner.Password == "" && c.config.ReportPassword != nil {
		c.config.ReportPassword(email, password)
	}
	return nil
}
