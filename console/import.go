package console

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"html/template"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// intake is the page that imports devices, and what became of them.
type intake struct {
	Picker picker
	Done   bool
	Out    fleet.Imported
	CSV    template.URL // of the secrets, to download
	First  fleet.DeviceID
	Secret string
}

func (v *visit) importPage() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	return v.show("import", "Import devices", intake{Picker: v.pick(groups, nothing)})
}

func (v *visit) importDevices() error {
	order := fleet.Import{Product: v.product.ID, Gateway: fleet.DeviceID(v.text("gateway")), Groups: v.names("group")}
	for lines := bufio.NewScanner(strings.NewReader(v.text("ids"))); lines.Scan(); {
		order.IDs = append(order.IDs, strings.FieldsFunc(lines.Text(), func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' })...)
	}
	if len(order.IDs) == 0 {
		return fleet.FieldErrorf("ids", "write at least one device id, one a line")
	}
	out, err := v.registry.Import(v.ctx(), v.actor, order)
	if err != nil {
		return err
	}
	page := intake{Done: true, Out: out, CSV: secretsFile(out)}
	if len(out.Updated) > 0 {
		page.First = out.Updated[0]
		page.Secret = out.Secrets[page.First]
	}
	return v.inPlace("import", "Imported devices", page)
}

// secretsFile is the new devices' secrets as a file that is in the page itself: they are
// nowhere else. The simulator reads it as it is.
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
