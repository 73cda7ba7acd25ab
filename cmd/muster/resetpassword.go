package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/cloud"
)

type resetPasswordCmd struct {
	stopped
	Email string `arg:"" help:"Email address of the account, or its number if several have that address."`
}

// Run sets a generated password and prints it.
func (c *resetPasswordCmd) Run(ctx context.Context) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	password, err := cloud.ResetPassword(ctx, config, c.Email)
	if err != nil {
		return err
	}
	fmt.Printf("The new password of %s is %s\nIt is not shown again; change it with muster password or in the console. All tokens of the account were revoked.\n", c.Email, password)
	return nil
}
