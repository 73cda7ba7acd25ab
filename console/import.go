package console

import (
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"html/template"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// importPages import devices.
type importPages struct{ *visit }

// importBody is the page that imports devices, and the result.
type importBody struct {
	Picker picker
	Done   bool
	Out    fleet.Imported
	CSV    template.URL // the secrets, to download
	First  fleet.DeviceID
	Secret string
}

// maxNamedLines bounds the lines listed in an error.
const maxNamedLines = 5

func (v importPages) importPage() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	return v.show("import", "Import devices", importBody{Picker: v.pick(groups, nothing)})
}

func (v importPages) importDevices() error {
	order := fleet.Import{Product: v.product.ID, Gateway: fleet.DeviceID(v.text("gateway")), Groups: v.names("group")}
	var err error
	if order.IDs, err = idsOf(v.value("ids")); err != nil {
		return err
	}
	if err := v.kept.hasRoom(v.actor, len(order.IDs)+1); err != nil {
		return err
	}
	out, err := v.registry.Import(v.ctx(), v.actor, order)
	if err != nil {
		return err
	}
	page := importBody{Done: true, Out: out, CSV: secretsFile(out)}
	if len(out.Updated) > 0 {
		page.First = out.Updated[0]
		page.Secret = out.Secrets[page.First]
	}
	return v.showOnce(v.at("/devices/imported"), page, len(out.Secrets)+1)
}

// importedPage shows the outcome of an import, once.
func (v importPages) importedPage() error {
	page := shownOnce[importBody](v.visit)
	if !page.Done {
		return v.done(v.at("/devices"), "The outcome of an import is shown only once.")
	}
	return v.show("import", "Imported devices", page)
}

// idsOf parses device ids, one per line or separated by commas. Anything else is an error that
// lists the lines, so that nothing is imported by mistake.
func idsOf(text string) (ids []string, err error) {
	var wrong []string
	at := 0
	for line := range strings.Lines(text) {
		at++
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			if _, err := fleet.ParseDeviceID(word); err != nil {
				wrong = append(wrong, fmt.Sprintf("line %d, “%.140s”", at, word))
			}
			ids = append(ids, word)
		}
	}
	switch {
	case len(ids) == 0:
		return nil, fleet.FieldErrorf("ids", "enter at least one device id, one per line")
	case len(wrong) == 0:
		return ids, nil
	}
	said := strings.Join(wrong[:min(len(wrong), maxNamedLines)], "; ")
	if more := len(wrong) - maxNamedLines; more > 0 {
		said += fmt.Sprintf(" and %s more", humane.Number(more))
	}
	return nil, fleet.FieldErrorf("ids", "%s: a device id is 1 to 128 letters, digits, : _ or -, and not “events” or “tags”. Nothing was imported", said)
}

// secretsFile returns the new devices' secrets as a file inside the page, because they are
// stored nowhere else. The simulator reads it as it is.
func secretsFile(out fleet.Imported) template.URL {
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"device", "secret"}) // a strings.Builder takes everything
	for _, id := range out.Updated {
		if secret := out.Secrets[id]; secret != "" {
			_ = w.Write([]string{string(id), secret})
		}
	}
	w.Flush()
	return template.URL("data:text/csv;base64," + base64.StdEncoding.EncodeToString([]byte(text.String()))) //nolint:gosec // base64 is safe in a URL
}
