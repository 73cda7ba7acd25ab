package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// teamDevices are addressed without their product.
func (a *API) teamDevices() route.Table {
	const one = "/v1/devices/{device}"
	return route.Table{Tag: "team devices", Routes: []route.Route{
		route.Put("UpdateDevice", one, "Change one device", route.Needs(fleet.EditDevice), a.updateTeamDevice).
			Fails(http.StatusConflict, http.StatusPreconditionFailed).Example(deviceExample),
		route.Delete("DeleteDevice", one, "Remove a device and its credential", route.Needs(fleet.DeleteDevice), a.deleteTeamDevice),
		route.Get("WhyDevice", one+"/why", "Why it should run the version it should run", route.Needs(fleet.SeeDevice), a.why),
		route.Post("RotateSecret", one+"/credential", "Replace its secret; the old one is revoked at once", route.Needs(fleet.ImportDevices), a.rotateSecret),
		route.Post("FlashDevice", one+"/flash", "Send one version to it once, now", route.Needs(fleet.EditDevice), a.flash).
			Accepted().Fails(http.StatusConflict).Example(`{"version":7}`),
		route.Get("ListCommands", one+"/commands", "Commands that wait, or were answered recently", route.Needs(fleet.SeeDevice), a.listCommands),
		route.Post("SendCommand", one+"/commands", "Queue a command until it is answered or expires", route.Needs(fleet.OperateDevice), a.sendCommand).
			Accepted().Fails(http.StatusTooManyRequests).Example(`{"name":"blink","message":{"times":3}}`),
	}}
}

func (a *API) updateTeamDevice(ctx context.Context, who fleet.Actor, in *struct {
	TeamDevicePath
	Preview
	route.IfMatch
	route.Input[api.DeviceUpdate]
}) (*route.Tagged[any], error) {
	return a.UpdateDevice(ctx, who, in.target, in.In, in.IfMatch, in.Preview)
}

func (a *API) deleteTeamDevice(ctx context.Context, who fleet.Actor, in *struct {
	TeamDevicePath
	Preview
}) (*removed, error) {
	return a.deleteDevice(ctx, who, in.target, in.Preview)
}

func (a *API) why(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.Reply[api.Why], error) {
	trace, err := a.Releases.Why(ctx, who, in.target.Device)
	return route.Answer(shownTrace(trace), err)
}

func (a *API) rotateSecret(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.Reply[api.Secret], error) {
	secret, err := a.Registry.RotateSecret(ctx, who, in.target.Device)
	return route.Answer(api.Secret{ID: in.target.Device.String(), Secret: secret}, err)
}

func (a *API) flash(ctx context.Context, who fleet.Actor, in *struct {
	TeamDevicePath
	route.Input[api.Flash]
}) (*route.Reply[api.Flashed], error) {
	err := a.Registry.FlashDevice(ctx, who, 0, in.target.Device, in.In.Version.Version)
	return route.Answer(api.Flashed{ID: in.target.Device.String(), Status: "Update started"}, err)
}

func (a *API) listCommands(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.Reply[api.Page[api.Command]], error) {
	commands, err := a.Registry.Commands(ctx, who, in.target.Device)
	var shown []api.Command
	for _, c := range commands {
		shown = append(shown, shownCommand(c))
	}
	return route.Answer(api.PageOf(shown, ""), err)
}

func (a *API) sendCommand(ctx context.Context, who fleet.Actor, in *struct {
	TeamDevicePath
	route.Input[api.NewCommand]
}) (*route.Reply[api.Command], error) {
	return a.SendCommand(ctx, who, in.target, in.In)
}

// SendCommand queues a command.
func (a *API) SendCommand(ctx context.Context, who fleet.Actor, t Target, c api.NewCommand) (*route.Reply[api.Command], error) {
	queued, err := a.Registry.Command(ctx, who, t.Device, c.Name, c.Message, time.Duration(c.ExpiresIn)*time.Second)
	return route.Answer(shownCommand(queued), err)
}

func shownCommand(c fleet.Command) api.Command {
	return api.Command{
		Number: c.Number, Device: c.Device.String(), Name: c.Name, Message: c.Payload,
		Queued: Moment(c.Queued), Expires: Moment(c.Expires), Done: Moment(c.Done), Result: c.Result,
	}
}

func shownTrace(t precedence.Trace) api.Why {
	why := api.Why{Target: version(t.Target), Reason: string(t.Reason), Steps: []api.Step{}}
	for _, step := range t.Steps {
		why.Steps = append(why.Steps, api.Step{Rule: string(step.Rule), Outcome: string(step.Outcome), Detail: step.String()})
	}
	return why
}
