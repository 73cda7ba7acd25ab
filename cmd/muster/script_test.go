package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muster-iot/muster/api/client"
)

// The owner of every server a script starts.
const (
	scriptOwner    = "owner@example.com"
	scriptPassword = "a long enough secret"
)

// TestScripts runs testdata/script: one script for each resource, which is also its
// tutorial. They use testscript's own commands and
//
//	$IMAGES             the folder with images made by vendors' tools
//	cloud [FLAG...]     start a server in the background; sets MUSTER_URL, MUSTER_TOKEN,
//	                    BROKER, PORT (of MQTT), ADDRESS (of HTTP) and CONSOLE; ready.json has the addresses
//	cloud stop          stop it with SIGTERM; it must exit with code 0
//	let NAME PATH       set NAME to what is at PATH (such as 0.id) of the JSON in stdout
//	image FILE BYTES N  write an image of that size, different for each N
//	await RE CMD...     run CMD until its output matches RE
//
// Their muster is built without the race detector, with which each of its hundreds of starts takes
// several times as long.
func TestScripts(t *testing.T) {
	binary := os.Getenv("MUSTER_TEST_BINARY") // scripts/test.sh builds it for all packages
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "muster")
		if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("building muster: %v\n%s", err, out)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey] = &server{binary: binary}
			images, err := filepath.Abs("../../ota/metadata/testdata")
			if err != nil {
				return err
			}
			env.Setenv("IMAGES", images)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
			env.Setenv("PATH", filepath.Dir(binary)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud": cloudCommand, "let": letCommand, "image": imageCommand, "await": awaitCommand,
		},
	})
}

// patience bounds what a script waits for. It is long because test machines are busy.
const patience = 3 * time.Minute

// server is the muster serve of a script.
type server struct {
	binary  string    // path of muster
	process *exec.Cmd // nil: none is running
	log     bytes.Buffer
	logged  chan struct{} // closed when the log has ended
}

const serverKey = "server"

// readyLine is the log line with the addresses the server listens on.
var readyLine = regexp.MustCompile(`msg=ready mqtt=(\S+) .*http=(\S+) .*console=(\S+)`)

func cloudCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey).(*server)
	if neg || s.process == nil && slices.Equal(args, []string{"stop"}) {
		ts.Fatalf("usage: cloud [FLAG...], then cloud stop")
	}
	if slices.Equal(args, []string{"stop"}) {
		ts.Check(s.stop())
		return
	}
	s.process = exec.Command(s.binary, append([]string{
		"serve", "--ephemeral", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", ts.MkAbs("data"),
		"--ready-file", ts.MkAbs("ready.json"), "--owner-email", scriptOwner,
	}, args...)...)
	s.process.Env = append(os.Environ(), "MUSTER_OWNER_PASSWORD="+scriptPassword, "TMPDIR="+ts.Getenv("TMPDIR"))
	stderr, err := s.process.StderrPipe()
	ts.Check(err)
	ts.Check(s.process.Start())
	s.logged = make(chan struct{})
	ready := make(chan []string, 1)
	go func() {
		defer close(s.logged)
		s.read(stderr, ready)
	}()
	ts.Defer(func() { _ = s.stop() })
	at := <-ready
	if at == nil {
		ts.Fatalf("the server did not start: %s", s.log.String())
	}
	url := "http://" + at[2]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, token, err := client.SignIn(ctx, url, scriptOwner, scriptPassword)
	ts.Check(err)
	ts.Setenv("MUSTER_URL", url)
	ts.Setenv("MUSTER_TOKEN", token.AccessToken)
	ts.Setenv("BROKER", "tcp://"+at[1])
	ts.Setenv("PORT", at[1][strings.LastIndexByte(at[1], ':')+1:])
	ts.Setenv("ADDRESS", at[2])
	ts.Setenv("CONSOLE", at[3])
}

// read keeps the log and sends the addresses of the ready line, nil if it never came.
func (s *server) read(stderr io.Reader, ready chan<- []string) {
	defer close(ready)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.log.WriteString(lines.Text() + "\n")
		if at := readyLine.FindStringSubmatch(lines.Text()); at != nil {
			ready <- at
		}
	}
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	if s.process == nil {
		return nil
	}
	_ = s.process.Process.Signal(syscall.SIGTERM) // it may have exited already
	<-s.logged
	err := s.process.Wait()
	s.process = nil
	return err
}

func letCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let NAME PATH")
	}
	var at any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &at))
	for _, step := range strings.Split(args[1], ".") {
		switch in := at.(type) {
		case map[string]any:
			at = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(in) {
				ts.Fatalf("no %s: there are only %d", args[1], len(in))
			}
			at = in[i]
		default:
			ts.Fatalf("nothing at %s", args[1])
		}
	}
	text, ok := at.(string)
	if !ok {
		ts.Fatalf("%s is not a string: %v", args[1], at)
	}
	ts.Setenv(args[0], text)
}

func imageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: image FILE BYTES NUMBER")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	number, err := strconv.ParseUint(args[2], 10, 32)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), demoImage("script", uint32(number), size), 0o600))
}

func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("no output matched %s\n%s%s", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}
