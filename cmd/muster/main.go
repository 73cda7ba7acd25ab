// Command muster is the one binary of the device cloud: the server, the demo, the
// simulated fleet, the conformance tests, and the operator's verbs of package cli. Each verb
// is a thin layer over a package.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/cli/terminal"
)

type commands struct {
	Serve    serveCmd    `cmd:"" group:"Run:" help:"Run the server." example:"muster serve --data /var/lib/muster"`
	Demo     demoCmd     `cmd:"" group:"Run:" help:"See what Muster does: a server, a simulated fleet, a release that stops itself and one that reaches everyone, in one process." example:"muster demo --devices 500"`
	Simulate simulateCmd `cmd:"" group:"Run:" help:"Connect a simulated fleet to a running server." example:"muster simulate --credentials secrets.csv --fail-at verify:2%"`
	Conform  conformCmd  `cmd:"" group:"Run:" help:"Test a device's implementation of the protocol, by taking the server's place." example:"muster conform --device lamp-7 --junit conform.xml"`
	Health   healthCmd   `cmd:"" group:"Run:" help:"Check whether a running server is ready." example:"muster health --url http://127.0.0.1:8080"`

	ResetPassword resetPasswordCmd `cmd:"" group:"Run:" help:"Reset an account's lost password, on the server's machine while the server is stopped." example:"muster reset-password owner@localhost --data /var/lib/muster"`

	Store storeCmd `cmd:"" group:"Run:" help:"Look after the store of a server that is stopped."`

	cli.Verbs

	Version versionCmd `cmd:"" group:"About:" help:"Print the version." example:"muster version"`
}

// errVerdict ends a simulation in which a device does not run what it should. The verdict
// has been printed already.
var errVerdict = errors.New("not every device runs what it should")

// Exit codes: 0 is success.
const (
	exitFailed      = 1   // the command failed, or a verdict is negative
	exitMisuse      = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C; like shells, 128 + SIGINT
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err == nil {
		return
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "muster: interrupted")
		os.Exit(exitInterrupted)
	}
	stop()
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(os.Stderr, "muster:", terminal.Clean(line))
	}
	if more := cli.Advice(err); more != "" {
		fmt.Fprintln(os.Stderr, more)
	}
	if cli.IsMisuse(err) {
		os.Exit(exitMisuse)
	}
	os.Exit(exitFailed)
}

// run parses args and runs the verb they name.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parser, err := newParser(grammar(args[0]))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		return cli.Misuse("%s (see %s --help)", err, command(wrong.Context))
	}
	if err != nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return parsed.Run()
}

// grammar returns the commands that kong reads for a command line that begins with noun: those of noun, since reading
// all of them takes longer than most take to run; or all, if there is no such noun or it completes others.
func grammar(noun string) any {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[commands]()) {
		_, isCommand := field.Tag.Lookup("cmd")
		_, completes := field.Tag.Lookup("passthrough")
		if isCommand && !completes && strings.EqualFold(field.Name, strings.ReplaceAll(noun, "-", "")) {
			return reflect.New(reflect.StructOf([]reflect.StructField{field})).Interface()
		}
	}
	return &commands{}
}

// newParser returns the parser of commands. It adds each verb's example to its help.
func newParser(commands any) (*kong.Kong, error) {
	parser, err := kong.New(commands,
		kong.Name("muster"),
		kong.Description("A device cloud in one binary. To see it work: muster demo"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		return nil, err
	}
	for _, verb := range parser.Model.Leaves(true) {
		verb.Detail = "Example:\n\n    " + verb.Tag.Get("example")
	}
	return parser, nil
}

// command is the part of the command line that was understood.
func command(parsed *kong.Context) string {
	if node := parsed.Selected(); node != nil {
		return node.FullPath()
	}
	return parsed.Model.Name
}

type versionCmd struct{}

// Run prints the version the binary was built from.
func (versionCmd) Run() error {
	fmt.Println("muster", version())
	return nil
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
