//go:build browser && !race

package browsertest

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"unicode/utf16"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

// shown is the command on the page that begins like this, as one would copy it.
func (b *browser) shown(begins string) string {
	b.Helper()
	return evaluate[string](b, fmt.Sprintf(`[...document.querySelectorAll(".copy pre")].map((e) => e.textContent).find((text) => text.startsWith(%q)) || ""`, begins))
}

// shell runs a copied command in folder, as somebody who has signed in, until it or ctx ends.
func shell(ctx context.Context, t *testing.T, p *cloudtest.Process, folder, command string) {
	t.Helper()
	_, token, err := client.SignIn(t.Context(), p.URL, cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	if err != nil {
		t.Error(err)
		return
	}
	c := exec.CommandContext(ctx, "sh", "-ec", command)
	c.Dir = folder
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the shell waits for what it runs
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(p.Binary)+":"+os.Getenv("PATH"), "MUSTER_URL="+p.URL, "MUSTER_TOKEN="+token.AccessToken)
	if out, err := c.CombinedOutput(); err != nil && ctx.Err() == nil {
		t.Errorf("%s\nended with %v:\n%s", command, err, out)
	}
}

// A new user gets to the first device on an empty installation by what the pages show, and to the
// rest of the fleet with a spreadsheet.
func TestFromAnEmptyInstallationToAFleet(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	b := browseAt(t, p.URL)
	b.signInByForm(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.waitText("No product yet")
	b.shot("first-nothing")
	folder := t.TempDir()
	shell(t.Context(), t, p, folder, b.shown("muster product create"))
	b.visit("/")
	b.waitText("No devices yet")
	b.shot("first-product")
	ctx, cancel := context.WithCancel(t.Context())
	var simulated sync.WaitGroup
	defer simulated.Wait()
	defer cancel()
	commands := b.shown("muster device import")
	simulated.Go(func() { shell(ctx, t, p, folder, commands) })
	owner := p.Owner()
	cloudtest.Until(t, "the first device is online", func() bool {
		d, err := owner.Device(t.Context(), "device-1")
		return err == nil && d.Online
	})
	b.visit("/p/lamp/device/device-1")
	b.waitText("online")
	b.shot("first-device")

	b.visit("/p/lamp/devices/import")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("[name=file]"), []string{spreadsheet(t, "id;name;groups;City\r\nlamp-0001;Café 12a;beta;Paris\r\nlamp-0002;\"Hall; left\";;Rome\r\n")}))
	b.press("Preview")
	b.waitText("Import 2 devices?")
	b.waitText("are ignored: City")
	b.waitText("Hall; left")
	b.press("Import 2 devices")
	b.waitText("2 devices imported")
	b.visit("/p/lamp/devices?q=caf%C3%A9")
	b.waitText("lamp-0001")
	b.waitText("beta")
	b.shot("first-fleet")
}

// spreadsheet is a file as spreadsheets save "Unicode text".
func spreadsheet(t *testing.T, text string) (path string) {
	t.Helper()
	var file []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		file = binary.LittleEndian.AppendUint16(file, unit)
	}
	path = filepath.Join(t.TempDir(), "fleet.csv")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
