// Command muster is the one binary of the device cloud: the server, the demo, the
// simulated fleet and the operator's verbs. It hides nothing; each verb is a thin layer
// over a package.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Demo     demoCmd     `cmd:"" help:"Show the main job: a cloud, a simulated fleet and two releases, with nothing else installed."`
	Simulate simulateCmd `cmd:"" help:"Aim a simulated fleet at a running server."`
	Health   healthCmd   `cmd:"" help:"Ask a running server whether it is ready; for health checks."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// errVerdict ends a run whose devices are not where the rules want them. What is wrong
// was printed already.
var errVerdict = errors.New("not every device runs what it should")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "muster:", err)
		os.Exit(1)
	}
}

// run parses args and runs the verb they name until it is done or ctx ends.
func run(ctx context.Context, args []string) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("muster"),
		kong.Description("A device cloud in one binary. Begin with: muster demo"),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.UsageOnError(),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w (see muster --help)", err)
	}
	return parsed.Run()
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
