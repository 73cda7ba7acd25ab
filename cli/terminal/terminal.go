// Package terminal reads from and draws on the terminal a command runs in. It hides escape
// sequences, how to read a secret unseen, and what changes where there is no terminal.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Interactive reports whether standard input is a terminal, so that a person can be asked.
func Interactive() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// stdin keeps what was read ahead for the next line.
var stdin = bufio.NewReader(os.Stdin)

// ReadLine returns the next line of standard input without its line break, "" at the end
// of input. If ctx ends first, it abandons the read, which lasts until the process exits.
func ReadLine(ctx context.Context) (string, error) {
	read := make(chan string, 1)
	go func() {
		line, _ := stdin.ReadString('\n') // the end of input is an answer too
		read <- line
	}()
	select {
	case line := <-read:
		return strings.TrimRight(line, "\r\n"), nil
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr)
		return "", ctx.Err()
	}
}

// ReadSecret reads a line from the terminal without echo. If ctx ends first, it restores
// the terminal and abandons the read, which lasts until the process exits.
func ReadSecret(ctx context.Context) (string, error) {
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
	go func() {
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

// Clean replaces characters that a terminal would interpret rather than print. Names,
// messages and versions come from devices, which can't be trusted.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}
