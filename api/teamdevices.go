package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Why is the answer to "why does this device run, or get, what it does?".
type Why struct {
	Target Version `json:"target" doc:"What it should run; null: what it runs"`
	Reason string  `json:"reason" enum:"development,lock,group,default,none"`
	Steps  []Step  `json:"steps" doc:"Each rule that was looked at, in order"`
}

// Step is one line of a Why.
type Step struct {
	Rule    string `json:"rule"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

// Flash sends one version to one online device, once.
type Flash struct {
	Version Version `json:"version"`
}

// Secret is a device's new secret.
type Secret struct {
	ID     string `json:"id"`
	Secret string `json:"secret" doc:"Shown this once"`
}

// NewCommand asks for a command to be queued.
type NewCommand struct {
	Name      string  `json:"name,omitempty" doc:"What follows the number in the topic"`
	Message   Payload `json:"message" doc:"Any JSON, or {\"base64\": ...} for other bytes"`
	ExpiresIn uint32  `json:"expires_in,omitempty" doc:"Seconds it waits for the device; absent: the server's default"`
}

// Command is a command with what became of it.
type Command struct {
	Number  uint32     `json:"number"`
	Device  string     `json:"deviceId"`
	Name    string     `json:"name"`
	Message Payload    `json:"message"`
	Queued  *time.Time `json:"queued_at"`
	Expires *time.Time `json:"expires_at"`
	Done    *time.Time `json:"done_at" doc:"null until the device answered"`
	Result  Payload    `json:"result,omitempty" doc:"What it answered"`
}

// NewMessage is nRF Cloud's SendDeviceMessage: a command by another name.
type NewMessage struct {
	Topic   string  `json:"topic,omitempty" doc:"Name of the command"`
	Message Payload `json:"message"`
}

// TeamDevicePath names a device of the team.
type TeamDevicePath struct {
	Device string `path:"device" doc:"Device id" example:"lamp-7"`
}

func (p TeamDevicePath) id() (fleet.DeviceID, error) {
	id, err := fleet.ParseDeviceID(p.Device)
	if err != nil {
		return "", fleet.Errorf(fleet.NotFound, "no such device: %.140s", p.Device)
	}
	return id, nil
}

// TeamDeviceQuery are the query parameters that select devices of the team.
type TeamDeviceQuery struct {
	GroupsQuery
	IDs         []string `query:"deviceIds,explode" doc:"Device ids between commas, at most 1,000"`
	Identifiers string   `query:"deviceIdentifiers" doc:"The same as deviceIds: a device has no other identifier"`
	Fuzzy       string   `query:"deviceNameFuzzy" doc:"The name begins with this"`
	Kinds       []string `query:"deviceTypes,explode" doc:"Generic, Gateway, BLE between commas"`
	Gateway     string   `query:"gatewayId" doc:"Attached to this gateway"`
}

func (f TeamDeviceQuery) query() (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{NamePrefix: f.Fuzzy, Gateway: fleet.DeviceID(f.Gateway)}
	ids := splitNames(append(f.IDs, f.Identifiers)...)
	if err := ids.bounded(); err != nil {
		return q, fleet.FieldErrorf("deviceIds", "%s", err)
	}
	for _, text := range ids {
		q.IDs = append(q.IDs, fleet.DeviceID(text))
	}
	for _, text := range splitNames(f.Kinds...) {
		kind, ok := map[string]fleet.DeviceKind{"generic": fleet.Generic, "gateway": fleet.Gateway, "ble": fleet.BLE}[strings.ToLower(text)]
		if !ok {
			return q, fleet.FieldErrorf("deviceTypes", "device type %.40q: use Generic, Gateway, BLE", text)
		}
		q.Kinds = append(q.Kinds, kind)
	}
	return q, nil
}

func (s *server) teamDevices() {
	const tag, one = "team devices", "/v1/devices/{device}"
	add(s, route{id: "ListDevices", method: http.MethodGet, path: "/v1/devices", summary: "Devices of the team, by cursor", tag: tag, access: needs(fleet.SeeDevice)}, s.listDevices)
	add(s, route{id: "FetchDevice", method: http.MethodGet, path: one, summary: "One device", tag: tag, access: needs(fleet.SeeDevice)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			NRFDevice
		}) (*tagged[Device], error) {
			id, err := in.id()
			if err != nil {
				return nil, err
			}
			v, err := s.Device(ctx, who, 0, id)
			return answerTagged(v.Tag, shownDevice(&v), err)
		})
	add(s, route{id: "UpdateDevice", method: http.MethodPut, path: one, summary: "Change one device", tag: tag, access: needs(fleet.EditDevice), errors: []int{http.StatusConflict, http.StatusPreconditionFailed}, example: deviceExample},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Preview
			IfMatch
			Input[DeviceUpdate]
		}) (*tagged[any], error) {
			id, err := in.id()
			if err != nil {
				return nil, err
			}
			return s.updateDevice(ctx, who, 0, id, in.In, in.seen, in.DryRun)
		})
	add(s, route{id: "DeleteDevice", method: http.MethodDelete, path: one, summary: "Remove a device and its credential", tag: tag, access: needs(fleet.DeleteDevice)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Preview
		}) (*removed, error) {
			id, err := in.id()
			if err != nil {
				return nil, err
			}
			return s.deleteDevice(ctx, who, 0, id, in.DryRun)
		})
	add(s, route{id: "WhyDevice", method: http.MethodGet, path: one + "/why", summary: "Why it should run what it should", tag: tag, access: needs(fleet.SeeDevice)},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*reply[Why], error) {
			trace, err := s.ota.Why(ctx, who, id)
			return answer(shownTrace(trace), err)
		}))
	add(s, route{id: "RotateSecret", method: http.MethodPost, path: one + "/credential", summary: "Give it a new secret; the old one ends at once", tag: tag, access: needs(fleet.ImportDevices)},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*reply[Secret], error) {
			secret, err := s.RotateSecret(ctx, who, id)
			return answer(Secret{ID: string(id), Secret: secret}, err)
		}))
	add(s, route{id: "FlashDevice", method: http.MethodPost, path: one + "/flash", summary: "Send one version to it once, now", tag: tag, access: needs(fleet.EditDevice), status: http.StatusAccepted, errors: []int{http.StatusConflict}, example: `{"version":7}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Input[Flash]
		}) (*reply[Flashed], error) {
			id, err := in.id()
			if err != nil {
				return nil, err
			}
			return answer(Flashed{ID: string(id), Status: "Update started"}, s.FlashDevice(ctx, who, 0, id, in.In.Version.Version))
		})
	s.tags()
	s.commands()
}

// Flashed is Particle's answer to a flash.
type Flashed struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func (s *server) commands() {
	const tag, one = "team devices", "/v1/devices/{device}"
	add(s, route{id: "ListCommands", method: http.MethodGet, path: one + "/commands", summary: "Commands that wait, or were answered lately", tag: tag, access: needs(fleet.SeeDevice)},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*reply[Page[Command]], error) {
			commands, err := s.Commands(ctx, who, id)
			var shown []Command
			for _, c := range commands {
				shown = append(shown, shownCommand(c))
			}
			return answer(page(shown, ""), err)
		}))
	add(s, route{id: "SendCommand", method: http.MethodPost, path: one + "/commands", summary: "Queue a command until it is answered or expires", tag: tag, access: needs(fleet.OperateDevice), status: http.StatusAccepted, errors: []int{http.StatusTooManyRequests}, example: `{"name":"blink","message":{"times":3}}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Input[NewCommand]
		}) (*reply[Command], error) {
			return s.command(ctx, who, in.TeamDevicePath, in.In)
		})
	add(s, route{id: "SendDeviceMessage", method: http.MethodPost, path: one + "/messages", summary: "Send a message to a device: a command by another name", tag: tag, access: needs(fleet.OperateDevice), status: http.StatusAccepted,
		example: `{"topic":"blink","message":{"times":3}}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Input[NewMessage]
		}) (*reply[Command], error) {
			c, err := s.command(ctx, who, in.TeamDevicePath, NewCommand{Name: in.In.Topic, Message: in.In.Message})
			return c, about(err, "name", "topic")
		})
}

func (s *server) command(ctx context.Context, who fleet.Actor, path TeamDevicePath, c NewCommand) (*reply[Command], error) {
	id, err := path.id()
	if err != nil {
		return nil, err
	}
	queued, err := s.Command(ctx, who, id, c.Name, c.Message, time.Duration(c.ExpiresIn)*time.Second)
	return answer(shownCommand(queued), err)
}

// onDevice makes a handler of one that needs no more than the device's id.
func onDevice[O any](handle func(context.Context, fleet.Actor, fleet.DeviceID) (*O, error)) func(context.Context, fleet.Actor, *TeamDevicePath) (*O, error) {
	return func(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*O, error) {
		id, err := in.id()
		if err != nil {
			return nil, err
		}
		return handle(ctx, who, id)
	}
}

func (s *server) listDevices(ctx context.Context, who fleet.Actor, in *struct {
	TeamDeviceQuery
	NRFList
	Cursors
}) (*reply[Page[Device]], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if in.selectsNothing() {
		return answer(page[Device](nil, ""), nil)
	}
	q.Limit, q.After = in.PageLimit, in.PageNextToken
	views, err := s.find(ctx, who, q, in.GroupsQuery)
	return answer(page(shownDevices(views), views.Next), err)
}

func shownTrace(t precedence.Trace) Why {
	why := Why{Target: Version{t.Target}, Reason: string(t.Reason), Steps: []Step{}}
	for _, step := range t.Steps {
		why.Steps = append(why.Steps, Step{Rule: string(step.Rule), Outcome: string(step.Outcome), Detail: step.String()})
	}
	return why
}

func shownCommand(c fleet.Command) Command {
	return Command{
		Number: c.Number, Device: string(c.Device), Name: c.Name, Message: c.Payload,
		Queued: moment(c.Queued), Expires: moment(c.Expires), Done: moment(c.Done), Result: c.Result,
	}
}
