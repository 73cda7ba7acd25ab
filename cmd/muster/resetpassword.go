package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/cloud"
)

type resetPasswordCmd struct {
	Email  string  `arg:"" help:"Whose."`
	Config string  `help:"The server's configuration file." type:"existingfile" placeholder:"FILE"`
	Data   *string `help:"The server's data folder (default data)." placeholder:"DIR"`
	Redis  *string `help:"The server's Redis, where it is not its own." placeholder:"URL"`
}

// Run makes a password and prints it, this once.
func (c *resetPasswordCmd) Run(ctx context.Context) error {
	config, err := (&serveCmd{Config: c.Config, Data: c.Data, Redis: c.Redis}).load()
	if err != nil {
		return err
	}
	where := cloudConfig(config)
	where.Log = newLogger(config.Log)
	password, err := cloud.ResetPassword(ctx, where, c.Email)
	if err != nil {
		return err
	}
	fmt.Printf("%s signs in with the password %s from now on; all tokens of theirs ended.\nIt is not shown again. They change it with muster password, or in the console.\n", c.Email, password)
	return nil
}
