package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type firmwareUploadCmd struct {
	productRemote
	File        string      `arg:"" type:"existingfile" help:"Image file."`
	Version     versionText `help:"Version: a whole number such as 7, or 1.4.0-rc.1. Each can be uploaded only once. By default the one that the image states (ESP-IDF, MCUboot, UF2)." placeholder:"VERSION"`
	Title       string      `help:"Short title." placeholder:"TEXT"`
	Description string      `help:"What changed." placeholder:"TEXT"`
	Notes       string      `help:"Release notes: text for those who install it." placeholder:"TEXT"`

	Hardware []string `help:"Hardware revisions the image is for, as devices report them; by default all." placeholder:"REVISION"`
	Requires string   `help:"Versions it can be installed over, such as '>=1.4.0 <2.0.0'; by default all." placeholder:"RANGE"`
	Floor    uint32   `help:"Security counter: a device that runs the image takes no firmware with a lower one. By default the one that the image states." placeholder:"NUMBER"`

	ForceVersion bool `help:"Upload it even if the image states another version. An update is confirmed only if the device reports the one given here."`
}

// Run uploads the image and verifies the digest that the server computed.
func (c *firmwareUploadCmd) Run(ctx context.Context) error {
	requires, err := fleet.ParseRange(c.Requires)
	if err != nil {
		return Misuse("--requires: %s", err)
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := c.isNew(ctx, s); err != nil { // before the upload rather than after it
		return err
	}
	m := newMeter("uploaded", info.Size())
	sent := sha256.New()
	f, err := s.Upload(ctx, s.product, api.NewFirmware{
		Version: c.Version.wire(), ForceVersion: c.ForceVersion, Title: c.Title, Description: c.Description, Notes: c.Notes, File: filepath.Base(c.File),
		Hardware: c.Hardware, Requires: requires, Floor: c.Floor,
	}, io.TeeReader(io.TeeReader(file, m), sent))
	m.end()
	if err != nil {
		return err
	}
	if digest := hex.EncodeToString(sent.Sum(nil)); digest != f.SHA256 {
		return fmt.Errorf("the server received other bytes than were sent: sha256 %s instead of %s; delete the version and upload it again", f.SHA256, digest)
	}
	return answer(c, f, nil, drawFirmware)
}

// isNew returns an error if the version exists already.
func (c *firmwareUploadCmd) isNew(ctx context.Context, s server) error {
	if c.Version.IsZero() {
		return nil
	}
	switch _, _, err := s.OneFirmware(ctx, s.product, c.Version.wire()); {
	case err == nil:
		return fmt.Errorf("version %s already exists: choose another version", c.Version)
	case !errors.Is(err, fleet.NotFound):
		return err
	}
	return nil
}

type firmwareDownloadCmd struct {
	productRemote
	Version versionText `arg:"" help:"Version." complete:"firmware"`
	Out     string      `short:"o" help:"File to create; - for standard output. By default the name it was uploaded under." placeholder:"FILE"`
}

// Run downloads the image and verifies its digest. If that fails it removes the file.
func (c *firmwareDownloadCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, _, err := findFirmware(ctx, s, c.Version)
	if err != nil {
		return err
	}
	image, err := s.Download(ctx, s.product, f.Version)
	if err != nil {
		return err
	}
	defer image.Close()
	if c.Out == "-" {
		return copyImage(os.Stdout, image, f)
	}
	name := c.Out
	if name == "" {
		name = filepath.Base(filepath.FromSlash(f.Name)) // the name comes from the server: no folders
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // an image is not secret
	if err != nil {
		return fmt.Errorf("%w: choose another --out", err)
	}
	err = copyImage(file, image, f)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return c.show(f, func(t *table) { t.line("Saved firmware %s as %s, %d bytes.", f.Version, name, f.Size) })
}

// copyImage copies the image of f to out and verifies it.
func copyImage(out io.Writer, image io.Reader, f api.Firmware) error {
	m := newMeter("downloaded", f.Size)
	defer m.end()
	got := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, got, m), image); err != nil {
		return err
	}
	if digest := hex.EncodeToString(got.Sum(nil)); digest != f.SHA256 {
		return fmt.Errorf("received other bytes than were uploaded: sha256 %s instead of %s; try again", digest, f.SHA256)
	}
	return nil
}

// meterPause is how often a meter prints where there is no terminal and each line stays.
const meterPause = 5 * time.Second

// meter is a Writer that shows how many of a transfer's bytes went through it. Without a
// terminal it prints every meterPause, and at the end.
type meter struct {
	view  *terminal.View
	doing string
	of    int64     // bytes
	past  int64     // bytes
	steps int64     // shown on a terminal
	last  time.Time // when it last printed, without a terminal
}

func newMeter(doing string, of int64) *meter {
	return &meter{view: terminal.NewView(os.Stderr, false), doing: doing, of: of, last: time.Now()}
}

// Write counts b and may redraw.
func (m *meter) Write(b []byte) (int, error) {
	m.past += int64(len(b))
	if m.due() {
		m.view.Show([]string{fmt.Sprintf("%s of %s %s", humane.Size(m.past), humane.Size(m.of), m.doing)})
	}
	return len(b), nil
}

func (m *meter) due() bool {
	if m.view.Live() {
		const steps = 200
		before := m.steps
		m.steps = m.past * steps / max(m.of, 1)
		return m.steps > before
	}
	if m.past < m.of && time.Since(m.last) < meterPause {
		return false
	}
	m.last = time.Now()
	return true
}

func (m *meter) end() { m.view.End() }
