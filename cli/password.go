package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/muster-iot/muster/cli/terminal"
)

// passwordVariable holds the password for programs that sign in without a terminal.
const passwordVariable = "MUSTER_PASSWORD" //nolint:gosec // the name of a variable

type passwordCmd struct{ remote }

// Run changes the user's password. Without a terminal it reads the current and the new
// password as two lines; MUSTER_PASSWORD replaces the first.
func (c *passwordCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	current := os.Getenv(passwordVariable)
	if current == "" {
		if current, err = askSecret(ctx, "Current password"); err != nil {
			return err
		}
	}
	password, err := newPassword(ctx, "New password")
	if err != nil {
		return err
	}
	return c.done(s.ChangePassword(ctx, current, password), "Password changed. All your other tokens were revoked.")
}

// newPassword asks for a password to set; on a terminal twice, as it is typed unseen.
func newPassword(ctx context.Context, question string) (string, error) {
	password, err := askSecret(ctx, question)
	if err != nil || !terminal.Interactive() {
		return password, err
	}
	again, err := askSecret(ctx, "Repeat it")
	if err == nil && again != password {
		err = errors.New("the two passwords differ: nothing was changed")
	}
	return password, err
}

// askSecret asks on the terminal without echo, or reads a line of standard input. An empty
// answer is misuse.
func askSecret(ctx context.Context, question string) (secret string, err error) {
	if terminal.Interactive() {
		fmt.Fprintf(os.Stderr, "%s: ", terminal.Clean(question))
		secret, err = terminal.ReadSecret(ctx)
		fmt.Fprintln(os.Stderr)
	} else {
		secret, err = terminal.ReadLine(ctx)
	}
	if err == nil && secret == "" {
		err = Misuse("no password given: enter it on a terminal, or pass it on standard input")
	}
	return secret, err
}
