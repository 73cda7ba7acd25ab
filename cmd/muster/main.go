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
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Serve    serveCmd    `cmd:"" group:"Run:" help:"Run the server." example:"muster serve --data /var/lib/muster"`
	Demo     demoCmd     `cmd:"" group:"Run:" help:"Show the main job: a cloud, a simulated fleet and two releases, with nothing else installed." example:"muster demo --devices 500"`
	Simulate simulateCmd `cmd:"" group:"Run:" help:"Aim a simulated fleet at a running server." example:"muster simulate --credentials secrets.csv --fail-at verify:2%"`
	Conform  conformCmd  `cmd:"" group:"Run:" help:"Test whether a device keeps the protocol: take the server's place and aim every behavior at it." example:"muster conform --device lamp-7 --junit conform.xml"`
	Health   healthCmd   `cmd:"" group:"Run:" help:"Ask a running server whether it is ready; for health checks." example:"muster health --url http://127.0.0.1:8080"`

	ResetPassword resetPasswordCmd `cmd:"" group:"Run:" help:"Give an account whose password is lost a new one, on the server's machine, while the server is stopped." example:"muster reset-password owner@localhost --data /var/lib/muster"`

	Login    loginCmd    `cmd:"" group:"Sign in:" help:"Sign in at a server; the token is kept in your configuration folder." example:"muster login https://muster.example.com --email me@example.com"`
	Logout   logoutCmd   `cmd:"" group:"Sign in:" help:"Sign out: end the token." example:"muster logout"`
	Password passwordCmd `cmd:"" group:"Sign in:" help:"Change your password; all your tokens end but the one in use." example:"muster password"`
	Accept   acceptCmd   `cmd:"" group:"Sign in:" help:"Accept an invitation, and sign in." example:"muster accept 'https://muster.example.com/v1/invitation#msi_1_0f3a...'"`
	Context  contextCmd  `cmd:"" group:"Sign in:" help:"The servers you are signed in at."`

	Product  productCmd  `cmd:"" group:"Operate:" help:"Products: list, create, edit, delete."`
	Device   deviceCmd   `cmd:"" group:"Operate:" help:"Devices: list, import, update, explain, flash, command ..."`
	Group    groupCmd    `cmd:"" group:"Operate:" help:"Groups: list, create, edit, delete; put devices in, take them out."`
	Firmware firmwareCmd `cmd:"" group:"Operate:" help:"Firmware: list, upload, download, release, unrelease ..."`
	Update   updateCmd   `cmd:"" group:"Operate:" help:"Updates: list, stop, retry."`
	Fleet    fleetCmd    `cmd:"" group:"Operate:" help:"Watch versions and releases live."`
	Message  messageCmd  `cmd:"" group:"Operate:" help:"Messages: list what devices sent, send one."`
	Events   eventsCmd   `cmd:"" group:"Operate:" help:"Tell what happens, as it happens: online, handshakes, updates, edits." example:"muster events muster/update --device lamp-7"`
	Alert    alertCmd    `cmd:"" group:"Operate:" help:"Alerts: list, archive, restore."`

	Team    teamCmd    `cmd:"" group:"Team:" help:"Teams: list, create, use, rename, hand over, delete."`
	User    userCmd    `cmd:"" group:"Team:" help:"Users: list, invite, role, groups, remove."`
	Program programCmd `cmd:"" group:"Team:" help:"Programs: users with a token in the place of a password."`
	Token   tokenCmd   `cmd:"" group:"Team:" help:"Your tokens: list, create, revoke."`
	Audit   auditCmd   `cmd:"" group:"Team:" help:"The audit log: who changed what."`

	Completion completionCmd `cmd:"" group:"About:" help:"Print the completion of a shell." example:"source <(muster completion bash)"`
	Complete   completeCmd   `cmd:"" group:"About:" hidden:"" passthrough:""`
	Version    versionCmd    `cmd:"" group:"About:" help:"Print the version." example:"muster version"`
}

// errVerdict ends a run whose devices are not where the rules want them. What is wrong
// was printed already.
var errVerdict = errors.New("not every device runs what it should")

// Exit codes: 0 is success.
const (
	exitFailed      = 1   // what was asked could not be done, or a verdict is no
	exitMisuse      = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C, as shells have it: 128 + SIGINT
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
		fmt.Fprintln(os.Stderr, "muster:", clean(line))
	}
	if more := advice(err); more != "" {
		fmt.Fprintln(os.Stderr, more)
	}
	if errors.As(err, new(misuse)) {
		os.Exit(exitMisuse)
	}
	os.Exit(exitFailed)
}

// run parses args and runs the verb they name until it is done or ctx ends.
func run(ctx context.Context, args []string) error {
	parser, err := newParser()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		return wrongUse("%s (see %s --help)", err, command(wrong.Context))
	}
	if err != nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return parsed.Run()
}

// newParser makes the parser of the whole command line. Help shows each verb's example.
func newParser() (*kong.Kong, error) {
	parser, err := kong.New(&cli{},
		kong.Name("muster"),
		kong.Description("A device cloud in one binary. Begin with: muster demo"),
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

// command is as much of the command line as was understood.
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
