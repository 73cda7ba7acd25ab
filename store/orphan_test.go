package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/muster-iot/muster/store/redisserver"
)

const orphanDir = "MUSTER_STORE_ORPHAN_DIR"

// TestMain is also the process that TestTheServerEndsWithItsProcess kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanDir); dir != "" {
		beOrphaned(dir)
	}
	code := m.Run()
	stopShared()
	os.Exit(code)
}

// beOrphaned serves dir, writes one device and waits to be killed.
func beOrphaned(dir string) {
	s, err := Serve(context.Background(), Options{Dir: dir, Log: quiet()})
	if err == nil {
		err = s.Devices.Create(context.Background(), newDevice("a"))
	}
	fmt.Println("written:", err)
	select {}
}

func TestTheServerEndsWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), orphanDir+"="+dir)
	output := got[io.ReadCloser](t)(process.StdoutPipe())
	must(t, process.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	_ = process.Process.Kill()
	_ = process.Wait()
	if err != nil || line != "written: <nil>\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	left := got[string](t)(redisserver.FindSocket(dir))
	s, _ := openChild(t, dir) // waits at the lock until the server has ended too
	if _, err := s.Devices.Device(t.Context(), "1/a"); err != nil {
		t.Errorf("what the killed process wrote: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(left)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder of the killed process is left behind: %v", err)
	}
}
