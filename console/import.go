package console

import (
	"encoding/base64"
	"encoding/csv"
	"errors"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/devicefile"
	"github.com/muster-iot/muster/fleet"
)

// importPages import devices: enter or upload a list, look at what it means, then import.
type importPages struct{ *visit }

// importForm is the page that asks for the list.
type importForm struct{ Picker picker }

func (v importPages) importPage() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	return v.show("import", "Import devices", importForm{Picker: v.pick(groups, nothing)})
}

// importPlan is a list that waits for a yes. It has no secrets, only their hashes.
type importPlan struct {
	product fleet.ProductID
	file    *devicefile.File
	order   fleet.Import
}

// plan is the field with the key of an importPlan.
const plan = "plan"

// readImport reads the list and redirects to its preview. It imports nothing.
func (v importPages) readImport() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	data, err := v.list()
	if err != nil {
		return err
	}
	file, err := devicefile.Parse(data)
	if err != nil {
		return err
	}
	if err := v.kept.hasRoom(v.actor, len(file.Rows)); err != nil {
		return err
	}
	order := fleet.Import{Product: v.product.ID, Devices: file.Devices(), Gateway: fleet.DeviceNamed(v.text("gateway")), Groups: v.names("group")}
	if _, err := v.registry.PreviewImport(v.ctx(), v.actor, order); err != nil && file.Err() == nil {
		return err
	}
	key := v.kept.put(v.actor, importPlan{v.product.ID, file, order}, len(file.Rows))
	return v.redirect(withQuery(v.at("/devices/import/preview"), plan, key))
}

// list returns the uploaded file or, without one, what was typed.
func (v importPages) list() ([]byte, error) {
	err := v.r.ParseMultipartForm(maxForm) //nolint:forbidigo // only a POST leads here, and its size is bounded
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, unread(err)
	}
	text := v.value("ids")
	if v.r.MultipartForm == nil || len(v.r.MultipartForm.File["file"]) == 0 {
		return []byte(text), nil
	}
	file, err := v.r.MultipartForm.File["file"][0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	switch {
	case err != nil:
		return nil, unread(err)
	case len(data) == 0:
		return []byte(text), nil
	case strings.TrimSpace(text) != "":
		return nil, fleet.FieldErrorf("ids", "there are devices in the text field and in the file: use one of them")
	}
	return data, nil
}

const (
	previewRows  = 20
	problemsSeen = 50
)

// importPreview is the page that shows what an import would do.
type importPreview struct {
	Plan     string
	File     *devicefile.File
	Order    fleet.Import
	Preview  fleet.ImportPreview
	Problems []devicefile.Row // the first rows that can't be imported
	Wrong    int              // number of them
	First    []devicefile.Row
	Secrets  int    // rows with a secret of their own
	Problem  string // why nothing can be imported
}

// Has reports whether the file has a column.
func (b importPreview) Has(column string) bool {
	for _, name := range b.File.Columns {
		if name == column {
			return true
		}
	}
	return false
}

// Own reports whether a row has a secret of its own.
func (b importPreview) Own(row devicefile.Row) bool { return row.Device.Secret != (fleet.Secret{}) }

func (v importPages) previewPage() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	key := v.text(plan)
	waiting, ok := v.kept.look(v.actor, key, false).(importPlan)
	if !ok || waiting.product != v.product.ID {
		return v.done(v.at("/devices/import"), "The preview has expired, or its devices were imported. Start again to import more.")
	}
	b := importPreview{Plan: key, File: waiting.file, Order: waiting.order}
	b.First = b.File.Rows[:min(len(b.File.Rows), previewRows)]
	b.Problems = b.File.Problems()
	b.Wrong = len(b.Problems)
	b.Problems = b.Problems[:min(b.Wrong, problemsSeen)]
	for _, row := range b.File.Rows {
		if b.Own(row) {
			b.Secrets++
		}
	}
	if b.Wrong == 0 {
		var err error
		if b.Preview, err = v.registry.PreviewImport(v.ctx(), v.actor, waiting.order); err != nil {
			b.Problem = sentence(err)
		}
	}
	return v.show("importpreview", "Import devices", b)
}

// importBody is the page with the outcome of an import.
type importBody struct {
	Out     fleet.Imported
	CSV     template.URL // the secrets, to download
	First   fleet.DeviceID
	User    string // its user name; "": its id
	Secret  string
	Kept    int    // devices with a secret of their own
	Problem string // what ended the import early
}

// importDevices imports the devices of a preview.
func (v importPages) importDevices() error {
	waiting, ok := v.kept.look(v.actor, v.text(plan), true).(importPlan)
	if !ok || waiting.product != v.product.ID {
		return v.done(v.at("/devices/import"), "The preview has expired, or its devices were imported. Start again to import more.")
	}
	if err := waiting.file.Err(); err != nil {
		return err
	}
	out, err := v.registry.Import(v.ctx(), v.actor, waiting.order)
	if err != nil && len(out.Updated) == 0 {
		return err
	}
	page := importBody{Out: out, CSV: secretsFile(out), Problem: sentence(err)}
	for _, id := range out.Updated {
		if secret := out.Secrets[id]; secret == "" {
			page.Kept++
		} else if page.Secret == "" {
			page.First, page.User, page.Secret = id, out.Users[id], secret
		}
	}
	return v.showOnce(v.at("/devices/imported"), page, len(out.Secrets)+1)
}

// importedPage shows the outcome of an import, once.
func (v importPages) importedPage() error {
	page := shownOnce[importBody](v.visit)
	if page.CSV == "" {
		return v.done(v.at("/devices"), "The outcome of an import is shown only once.")
	}
	return v.show("imported", "Imported devices", page)
}

// secretsFile returns the new devices' secrets as a file inside the page, because they are
// stored nowhere else. The simulator reads it as it is, and so does an import elsewhere.
func secretsFile(out fleet.Imported) template.URL {
	var text strings.Builder
	w := csv.NewWriter(&text)
	heading := []string{"device", "secret"}
	if len(out.Users) > 0 {
		heading = append(heading, "version", "user_name") // the simulator's order
	}
	_ = w.Write(heading) // a strings.Builder takes everything
	for _, id := range out.Updated {
		if secret := out.Secrets[id]; secret != "" {
			_ = w.Write([]string{id.String(), secret, "", out.Users[id]}[:len(heading)])
		}
	}
	w.Flush()
	return template.URL("data:text/csv;base64," + base64.StdEncoding.EncodeToString([]byte(text.String()))) //nolint:gosec // base64 is safe in a URL
}
