package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/cloud"
)

type resetPasswordCmd struct {
	Email  string  `arg:"" help:"Email address of the account, or its number if several have that address."`
	Config string  `help:"The server's configuration file." type:"existingfile" placeholder:"FILE"`
	Data   *string `help:"The server's data folder (default data)." placeholder:"DIR"`
	Redis  *string `help:"The server's Redis, if it does not start its own." placeholder:"URL"`
}

// Run sets a generated password and prints it.
func (c *resetPasswordCmd) Run(ctx context.Context) error {
	config, err := (&serveCmd{Config: c.Config, Data: c.Data, Redis: c.Redis}).load()
	if err != nil {
		return err
	}
	where := cloud.Config{Config: config}
	where.Logger = newLogger(config.Log)
	password, err := cloud.ResetPassword(ctx, where, c.Email)
	if err != nil {
		return err
	}
	fmt.Printf("The new password of %s is %s\nIt is not shown again; change it with muster password or in the console. All tokens of the account were revoked.\n", c.Email, password)
	return nil
}
