package store

import (
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// appendDevice appends the fields and values of d's hash to args. Zero values are left
// out. Numbers are decimal: Redis keeps those up to 64 bits in 9 bytes.
func appendDevice(args []any, d *fleet.Device) []any {
	put := func(field, value string) {
		if value != "" {
			args = append(args, field, value)
		}
	}
	number := func(field string, n uint64) {
		if n != 0 {
			args = append(args, field, strconv.FormatUint(n, 10))
		}
	}
	instant := func(field string, t time.Time) {
		if !t.IsZero() {
			args = append(args, field, strconv.FormatInt(t.UnixNano(), 10))
		}
	}
	number("t", uint64(d.Team))
	number("p", uint64(d.Product))
	number("k", uint64(d.Kind))
	put("gw", string(d.Gateway))
	put("n", d.Name)
	put("no", d.Notes)
	put("g", joinGroups(d.Groups))
	if d.Secret != (fleet.Secret{}) {
		put("s", string(d.Secret[:]))
	}
	put("f", deviceFlags(d))
	put("l", d.Lock.String())
	put("fl", d.Flash.String())
	put("v", d.Running.String())
	put("hw", d.Hardware)
	put("fa", string(d.Facts))
	number("b", d.Boot)
	number("se", d.Session)
	if d.Update != (fleet.Update{}) {
		put("u", packUpdate(&d.Update))
	}
	put("a", packAttempts(d.Attempts))
	number("lc", uint64(d.LastCommand))
	number("pc", uint64(d.Pending))
	put("ip", d.Address)
	instant("c", d.Created)
	instant("lh", d.LastHandshake)
	instant("le", d.LastHeard)
	return args
}

// The letters of field f.
const (
	flagDisabled    = "x"
	flagDevelopment = "d"
	flagForce       = "F"
	flagUpdatesOn   = "u"
	flagDiffers     = "o"
)

func deviceFlags(d *fleet.Device) string {
	flags := ""
	if d.Disabled {
		flags += flagDisabled
	}
	if d.Development {
		flags += flagDevelopment
	}
	if d.Force {
		flags += flagForce
	}
	if d.UpdatesOn {
		flags += flagUpdatesOn
	}
	if d.Differs {
		flags += flagDiffers
	}
	return flags
}

// parseDevice reads the hash of device id. It keeps the strings of fields.
func parseDevice(id fleet.DeviceID, fields map[string]string) (d fleet.Device, err error) {
	d.ID = id
	for field, value := range fields {
		switch field {
		case "t":
			d.Team = fleet.TeamID(decimal(value))
		case "p":
			d.Product = fleet.ProductID(decimal(value))
		case "k":
			d.Kind = fleet.DeviceKind(decimal(value))
		case "gw":
			d.Gateway = fleet.DeviceID(value)
		case "n":
			d.Name = value
		case "no":
			d.Notes = value
		case "g":
			d.Groups = splitGroups(value)
		case "s":
			copy(d.Secret[:], value)
		case "f":
			d.Disabled = strings.Contains(value, flagDisabled)
			d.Development = strings.Contains(value, flagDevelopment)
			d.Force = strings.Contains(value, flagForce)
			d.UpdatesOn = strings.Contains(value, flagUpdatesOn)
			d.Differs = strings.Contains(value, flagDiffers)
		case "l":
			d.Lock = fleet.ReportedVersion(value)
		case "fl":
			d.Flash = fleet.ReportedVersion(value)
		case "v":
			d.Running = fleet.ReportedVersion(value)
		case "hw":
			d.Hardware = value
		case "fa":
			d.Facts = []byte(value)
		case "u":
			d.Update, err = unpackUpdate(value)
		case "a":
			d.Attempts, err = unpackAttempts(value)
		case "ip":
			d.Address = value
		default:
			parseDeviceNumber(&d, field, value)
		}
		if err != nil {
			return fleet.Device{}, err
		}
	}
	return d, nil
}

func parseDeviceNumber(d *fleet.Device, field, value string) {
	switch field {
	case "b":
		d.Boot = decimal(value)
	case "se":
		d.Session = decimal(value)
	case "lc":
		d.LastCommand = uint32(decimal(value))
	case "pc":
		d.Pending = uint32(decimal(value))
	case "c":
		d.Created = instantOf(value)
	case "lh":
		d.LastHandshake = instantOf(value)
	case "le":
		d.LastHeard = instantOf(value)
	case "r":
		d.Revision = decimal(value)
	}
}

func decimal(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

func instantOf(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(0, n).UTC()
}
