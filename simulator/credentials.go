package simulator

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Credential is one device of a fleet: who it is and what it runs at first.
type Credential struct {
	ID       fleet.DeviceID
	Secret   string
	Version  fleet.Version  // zero: the fleet's
	Hardware string         // revision; "": the Profile's
	Gateway  fleet.DeviceID // of a BLE device: the one it is in reach of first, which is one of the fleet; no Secret then
	User     string         // its MQTT user name; "": its id
}

// ReadCredentials reads one device a line: `device,secret[,version[,user name]]`, or a JSON object
// {"device": ..., "secret": ..., "user_name": ..., "version": ..., "hardware": ...}. Empty lines, lines that begin with # and
// a heading "device,secret..." are passed over. An answer of the REST API's device import
// is read too: the whole with its "secrets", or a line for each device, of which those
// without a secret are passed over. Errors are fleet.Invalid and name the line.
func ReadCredentials(r io.Reader) ([]Credential, error) {
	const maxLine = 64 << 20 // bytes; an import's answer is one line
	var all []Credential
	seen := map[fleet.DeviceID]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		found, err := parseLine(strings.TrimSpace(lines.Text()), n == 1)
		if err != nil {
			return nil, fleet.Errorf(fleet.Invalid, "credentials, line %d: %w", n, err)
		}
		for _, c := range found {
			if seen[c.ID] {
				return nil, fleet.Errorf(fleet.Invalid, "credentials, line %d: device %s appears twice", n, c.ID)
			}
			seen[c.ID] = true
			all = append(all, c)
		}
	}
	return all, lines.Err()
}

func parseLine(line string, heading bool) ([]Credential, error) {
	switch {
	case line == "" || line[0] == '#' || heading && strings.HasPrefix(line, "device,"):
		return nil, nil
	case line[0] == '{':
		return parseObject(line)
	}
	fields := strings.Split(line, ",")
	if len(fields) < 2 || len(fields) > 4 {
		return nil, errors.New("use device,secret or device,secret,version or device,secret,version,user name")
	}
	fields = append(fields, "", "")
	return one(fields[0], fields[1], fields[2], fields[3])
}

func parseObject(line string) ([]Credential, error) {
	var o struct {
		Device   string            `json:"device"`
		ID       string            `json:"id"` // the import's word for it
		Secret   string            `json:"secret"`
		User     string            `json:"user_name"`
		Version  string            `json:"version"`
		Hardware string            `json:"hardware"`
		Secrets  map[string]string `json:"secrets"`
		Users    map[string]string `json:"user_names"` // of devices among those
		Line     int               `json:"line"`       // of an import's device
		Done     *int              `json:"done"`       // how far an import is
		Error    string            `json:"error"`      // that ended an import
	}
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		return nil, err
	}
	switch {
	case o.Secrets == nil && o.Secret == "" && (o.Line > 0 || o.Done != nil || o.Error != ""):
		return nil, nil // an import's line that brings no secret
	case o.Secrets == nil:
		all, err := one(cmp.Or(o.Device, o.ID), o.Secret, o.Version, o.User)
		for i := range all {
			all[i].Hardware = o.Hardware
		}
		return all, err
	}
	var all []Credential
	for device, secret := range o.Secrets {
		c, err := one(device, secret, o.Version, o.Users[device])
		if err != nil {
			return nil, err
		}
		all = append(all, c...)
	}
	slices.SortFunc(all, func(a, b Credential) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return all, nil
}

func one(device, secret, version, user string) ([]Credential, error) {
	id, err := fleet.ParseDeviceID(strings.TrimSpace(device))
	if err != nil {
		return nil, err
	}
	c := Credential{ID: id, Secret: strings.TrimSpace(secret), User: strings.TrimSpace(user)}
	if c.Secret == "" {
		return nil, errors.New("device " + device + " has no secret")
	}
	if version = strings.TrimSpace(version); version != "" {
		c.Version, err = fleet.ParseVersion(version)
	}
	return []Credential{c}, err
}
