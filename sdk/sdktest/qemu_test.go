//go:build sdk

package sdktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The flash of sdk/c/ports/qemu/flash.h.
const (
	flashSlot   = 2 << 20
	flashSector = 4096
	flashSize   = flashSlot + 4*flashSector
)

// mote is a bare-metal device under QEMU.
type mote struct {
	t     testing.TB
	s     *server
	flash string
	port  string
	boots int
	cmd   *exec.Cmd
	log   bytes.Buffer
}

func newMote(t testing.TB, s *server, address string) *mote {
	t.Helper()
	m := &mote{t: t, s: s, flash: filepath.Join(t.TempDir(), "flash")}
	_, m.port, _ = net.SplitHostPort(address)
	if err := os.WriteFile(m.flash, make([]byte, flashSize+flashSize/flashSector*4), 0o600); err != nil {
		t.Fatal(err)
	}
	m.power()
	t.Cleanup(func() {
		m.cut()
		if t.Failed() {
			t.Logf("QEMU:\n%s", &m.log)
		}
	})
	return m
}

func (m *mote) power() {
	m.t.Helper()
	m.boots++
	m.cmd = exec.Command("qemu-system-arm", "-M", "microbit", "-display", "none", "-monitor", "none",
		"-chardev", "socket,id=line,host=127.0.0.1,port="+m.port+",reconnect=1", "-serial", "chardev:line",
		"-semihosting-config", fmt.Sprintf("enable=on,target=native,arg=%s,arg=%s,arg=%s,arg=%d", m.s.device, m.s.secret, m.flash, 1000*m.boots),
		"-kernel", "../c/ports/qemu/device.elf")
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// cut is a loss of power: whatever the flash was doing is torn.
func (m *mote) cut() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

func TestBareMetalUpdateIsByteExactThroughThreePowerCuts(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := serve(t, "mote-1")
	image := s.release("9", size)
	p := newProxy(t, s.mqtt)
	m := newMote(t, s, p.address)
	for _, at := range []int64{size / 5, size / 2, size * 9 / 10} {
		eventually(t, "the download is on its way", func() bool { return p.down.Load() > at })
		m.cut()
		m.power()
	}
	s.confirmed("9")
	m.cut()
	flash, err := os.ReadFile(m.flash)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(flash[:size], image) {
		t.Error("the slot differs from the image")
	}
	// A cut costs the 32 KiB that were not saved yet and the window that was under way.
	if got, most := p.down.Load(), int64(size+3*(32<<10+3*8<<10)+size/20); got > most {
		t.Errorf("got %d bytes from the server, want at most %d", got, most)
	}
	for sector := range size / flashSector {
		if wear := binary.LittleEndian.Uint32(flash[flashSize+4*sector:]); wear < 1 || wear > 4 {
			t.Errorf("sector %d was erased %d times, want once, and once more for each cut", sector, wear)
		}
	}
}

func TestBareMetalAnswersCommands(t *testing.T) {
	t.Parallel()
	s := serve(t, "mote-1")
	newMote(t, s, s.mqtt)
	s.online()
	s.run("device", "command", "mote-1", "blink", "--wait", "60s")
}
