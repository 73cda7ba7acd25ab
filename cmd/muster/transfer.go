package main

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
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type firmwareUploadCmd struct {
	productRemote
	File        string      `arg:"" type:"existingfile" help:"The image."`
	Version     versionText `required:"" help:"Its version: a whole number such as 7, or 1.4.0-rc.1; each only once." placeholder:"VERSION"`
	Title       string      `help:"A few words." placeholder:"TEXT"`
	Description string      `help:"What changed." placeholder:"TEXT"`
}

// Run streams the image up and checks that the server has the very bytes.
func (c *firmwareUploadCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
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
	switch _, _, err := client.OneFirmware(ctx, product, c.Version.wire()); { // before the bytes, not after them
	case err == nil:
		return fmt.Errorf("version %s is uploaded already: choose another version", c.Version)
	case !errors.Is(err, fleet.NotFound):
		return err
	}
	m := newMeter("uploaded", info.Size())
	sent := sha256.New()
	f, err := client.Upload(ctx, product, api.NewFirmware{
		Version: c.Version.wire(), Title: c.Title, Description: c.Description, File: filepath.Base(c.File),
	}, io.TeeReader(io.TeeReader(file, m), sent))
	m.end()
	if err != nil {
		return err
	}
	if digest := hex.EncodeToString(sent.Sum(nil)); digest != f.SHA256 {
		return fmt.Errorf("the server holds other bytes than were sent: sha256 %s, not %s; delete the version and upload it again", f.SHA256, digest)
	}
	return c.show(f, func(t *table) { drawFirmware(t, f) })
}

type firmwareDownloadCmd struct {
	productRemote
	Version versionText `arg:"" help:"Version." complete:"firmware"`
	Out     string      `short:"o" help:"New file to write; - is standard output; the name it was uploaded under where left out." placeholder:"FILE"`
}

// Run fetches the image, checks its digest and leaves no half file behind.
func (c *firmwareDownloadCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, _, err := findFirmware(ctx, client, product, c.Version)
	if err != nil {
		return err
	}
	image, err := client.Download(ctx, product, f.Version)
	if err != nil {
		return err
	}
	defer image.Close()
	if c.Out == "-" {
		return fetch(os.Stdout, image, f)
	}
	name := c.Out
	if name == "" {
		name = filepath.Base(filepath.FromSlash(f.Name)) // the server's word is no path
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // an image is no secret
	if err != nil {
		return fmt.Errorf("%w: choose another --out", err)
	}
	err = fetch(file, image, f)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return c.show(f, func(t *table) { t.line("%s holds firmware %s, %d bytes.", name, f.Version, f.Size) })
}

// fetch copies the image of f to out and checks it.
func fetch(out io.Writer, image io.Reader, f api.Firmware) error {
	m := newMeter("downloaded", f.Size)
	defer m.end()
	got := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, got, m), image); err != nil {
		return err
	}
	if digest := hex.EncodeToString(got.Sum(nil)); digest != f.SHA256 {
		return fmt.Errorf("these are not the bytes that were uploaded: sha256 %s, not %s; try again", digest, f.SHA256)
	}
	return nil
}

// meterPause is how often a meter tells off a terminal, where each line stays.
const meterPause = 5 * time.Second

// meter shows how many of the bytes of a transfer went through it. Off a terminal it
// says so every meterPause, and at the end.
type meter struct {
	view  *view
	doing string
	of    int64     // bytes
	past  int64     // bytes
	told  int64     // steps told, on a terminal
	last  time.Time // it told, off one
}

func newMeter(doing string, of int64) *meter {
	return &meter{view: newView(os.Stderr, false), doing: doing, of: of, last: time.Now()}
}

// Write counts b.
func (m *meter) Write(b []byte) (int, error) {
	m.past += int64(len(b))
	if m.due() {
		m.view.show([]string{fmt.Sprintf("%s of %s %s", humane.Size(m.past), humane.Size(m.of), m.doing)})
	}
	return len(b), nil
}

func (m *meter) due() bool {
	if m.view.live {
		const steps = 200
		before := m.told
		m.told = m.past * steps / max(m.of, 1)
		return m.told > before
	}
	if m.past < m.of && time.Since(m.last) < meterPause {
		return false
	}
	m.last = time.Now()
	return true
}

func (m *meter) end() { m.view.end() }
