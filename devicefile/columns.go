package devicefile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Columns that a file may have.
const (
	columnID      = "id"
	columnName    = "name"
	columnGroups  = "groups"
	columnNotes   = "notes"
	columnSecret  = "secret"
	columnHash    = "secret_sha256"
	columnProduct = "product"
)

// headings are the spellings of each column, in lower case without spaces, _ and -.
var headings = map[string]string{
	"id": columnID, "device": columnID, "deviceid": columnID, "clientid": columnID, "serial": columnID, "serialnumber": columnID,
	"name": columnName, "devicename": columnName, "label": columnName,
	"group": columnGroups, "groups": columnGroups, "tags": columnGroups,
	"note": columnNotes, "notes": columnNotes, "description": columnNotes, "comment": columnNotes,
	"secret": columnSecret, "devicesecret": columnSecret, "password": columnSecret,
	"secretsha256": columnHash, "sha256": columnHash, "secrethash": columnHash,
	"product": columnProduct, "productid": columnProduct, "productslug": columnProduct,
}

// columns are the names of a file's columns, "" for those that are ignored.
type columns []string

// example is a heading to copy, for errors.
const example = "id,name,groups,notes"

// heading returns the columns and the lines after the heading, all lines if there is none.
func (f *File) heading(lines []line) (columns, []line, error) {
	first := lines[0]
	found := make(columns, len(first.cells))
	known := 0
	for i, cell := range first.cells {
		found[i] = headings[strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(cell))]
		if found[i] != "" {
			known++
		}
	}
	if !slices.Contains(found, columnID) {
		if known > 1 {
			return nil, nil, fleet.FieldErrorf("file", "line %d: no column is called \"id\". Name the columns as in: %s", first.number, example)
		}
		ids, err := onlyIDs(lines)
		return columns{columnID}, ids, err
	}
	for i, name := range found {
		if name == "" {
			if first.cells[i] != "" {
				f.Ignored = append(f.Ignored, first.cells[i])
			}
			continue
		}
		if at := slices.Index(found, name); at < i {
			return nil, nil, fleet.FieldErrorf("file", "line %d: the columns %q and %q both mean %s: keep one", first.number, first.cells[at], first.cells[i], name)
		}
		f.Columns = append(f.Columns, name)
	}
	if slices.Contains(found, columnSecret) && slices.Contains(found, columnHash) {
		return nil, nil, fleet.FieldErrorf("file", "line %d: there is a column for secrets and one for their SHA-256: keep one", first.number)
	}
	if len(lines) == 1 {
		return nil, nil, fleet.FieldErrorf("file", "line %d is a heading, and no device follows it", first.number)
	}
	return found, lines[1:], nil
}

// onlyIDs returns the lines of a file without a heading, which must be ids. A single line may
// have several.
func onlyIDs(lines []line) ([]line, error) {
	if first := lines[0]; len(lines) == 1 && !looksLikeSecrets(first) {
		var each []line
		for _, id := range first.cells {
			if id != "" {
				each = append(each, line{first.number, []string{id}})
			}
		}
		return each, nil
	}
	for _, l := range lines {
		switch {
		case len(l.cells) == 1:
		case looksLikeSecrets(l):
			return nil, fleet.FieldErrorf("file", "line %d: this is a file of devices and their secrets, not a list of ids. To import the devices with these secrets, add the first line: id,secret. To import ids only, remove the second column", l.number)
		default:
			return nil, fleet.FieldErrorf("file", "line %d has %d columns, and no heading says what they are. Add a first line such as: %s. Or write one id on each line", l.number, len(l.cells), example)
		}
	}
	return lines, nil
}

// generated is the length of the secrets that Muster generates: 32 bytes in base64url.
const generated = 43

// looksLikeSecrets reports whether a line has a second column with a secret that Muster generated.
func looksLikeSecrets(l line) bool {
	if len(l.cells) < 2 || len(l.cells[1]) != generated {
		return false
	}
	_, err := fleet.ParseDeviceID(strings.ReplaceAll(l.cells[1], ":", " ")) // base64url is that alphabet without ":"
	return err == nil
}

// row reads a line; seen are the lines of the ids before.
func (c columns) row(l line, seen map[fleet.DeviceID]int) Row {
	row := Row{Line: l.number}
	if len(l.cells) > len(c) {
		row.Problem = fmt.Sprintf("it has %d columns, the heading has %d: is a value with a separator missing its quotation marks?", len(l.cells), len(c))
	}
	problem := func(err error) {
		if err != nil && row.Problem == "" {
			row.Problem = err.Error()
		}
	}
	d := &row.Device
	for i, cell := range l.cells[:min(len(l.cells), len(c))] {
		switch c[i] {
		case columnID:
			d.ID = cell
		case columnName:
			d.Name = cell
		case columnNotes:
			d.Notes = cell
		case columnGroups:
			d.Groups = groupsOf(cell)
		case columnProduct:
			d.Product = cell
		case columnSecret, columnHash:
			read := map[string]func(string) (fleet.Secret, error){columnSecret: fleet.HashSecret, columnHash: fleet.ParseSecretHash}[c[i]]
			if cell != "" {
				var err error
				d.Secret, err = read(cell)
				problem(err)
			}
		}
	}
	_, err := fleet.ParseDeviceID(d.ID)
	problem(err)
	problem(d.Check())
	if first, twice := seen[fleet.DeviceID(d.ID)]; twice && row.Problem == "" {
		row.Problem = fmt.Sprintf("device %s is in line %d already", d.ID, first)
	}
	seen[fleet.DeviceID(d.ID)] = l.number
	return row
}

// groupsOf splits a cell of group names, which contain no separators and no white space.
func groupsOf(cell string) (names []string) {
	for name := range strings.FieldsFuncSeq(cell, func(c rune) bool { return strings.ContainsRune(",;| \t\n", c) }) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
