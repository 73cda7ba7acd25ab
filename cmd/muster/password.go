package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// passwordVariable holds a password for programs that sign in; a terminal is not asked then.
const passwordVariable = "MUSTER_PASSWORD" //nolint:gosec // the name of a variable

type passwordCmd struct{ remote }

// Run changes the user's password. Off a terminal it reads two lines: the current one and
// the new one; MUSTER_PASSWORD stands for the first.
func (c *passwordCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	current := os.Getenv(passwordVariable)
	if current == "" {
		if current, err = askSecret(ctx, "Your password of now"); err != nil {
			return err
		}
	}
	password, err := newPassword(ctx, "Your new password")
	if err != nil {
		return err
	}
	if err := client.ChangePassword(ctx, current, password); err != nil {
		return err
	}
	return c.done("Changed. All your tokens ended but this one.")
}

// proof asks for what is missing of email and password. The password comes from
// MUSTER_PASSWORD, from the terminal unseen, or from the first line of standard input.
func (c *loginCmd) proof(ctx context.Context, known string) (email, password string, err error) {
	email = cmp.Or(c.Email, known)
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	if email == "" {
		if !terminal {
			return "", "", wrongUse("who signs in? Add --email")
		}
		fmt.Fprint(os.Stderr, "Email: ")
		if email, err = readLine(ctx); err != nil {
			return "", "", err
		}
	}
	if password = os.Getenv(passwordVariable); password != "" {
		return email, password, nil
	}
	password, err = askSecret(ctx, "Password of "+email)
	return email, password, err
}

// newPassword asks for a password that is to hold from now on: twice on a terminal, as
// nobody sees what they type.
func newPassword(ctx context.Context, question string) (string, error) {
	password, err := askSecret(ctx, question)
	if err != nil || !term.IsTerminal(int(os.Stdin.Fd())) {
		return password, err
	}
	again, err := askSecret(ctx, "The same again")
	if err == nil && again != password {
		err = errors.New("these were two different passwords: nothing was changed")
	}
	return password, err
}

// askSecret asks on the terminal, without showing the answer, or reads the first line of
// standard input. No answer is misuse: no password is empty.
func askSecret(ctx context.Context, question string) (string, error) {
	answer, err := readAnswer(ctx, question)
	if err == nil && answer == "" {
		err = wrongUse("no password given: it is asked for on a terminal, and read from standard input elsewhere")
	}
	return answer, err
}

func readAnswer(ctx context.Context, question string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return readLine(ctx)
	}
	fmt.Fprintf(os.Stderr, "%s: ", clean(question))
	typed, err := readSecret(ctx)
	fmt.Fprintln(os.Stderr)
	return typed, err
}

// readSecret reads a line of the terminal without showing it. It puts the terminal right
// again when ctx ends first.
func readSecret(ctx context.Context) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type result struct {
		text []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // left behind when ctx ends; only the end of the process ends it
		text, err := term.ReadPassword(fd)
		read <- result{text, err}
	}()
	select {
	case r := <-read:
		return string(r.text), r.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
