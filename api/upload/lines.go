package upload

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

const (
	ndjson      = "application/x-ndjson"
	importChunk = 1000             // devices between two lines of progress
	lineTimeout = 20 * time.Second // for a client to read the lines of one chunk
)

// importLines imports order chunk by chunk. An error about all of it shows with the first
// chunk, and is answered like any error.
func (u *uploads) importLines(ctx context.Context, who fleet.Actor, order fleet.Import) (*huma.StreamResponse, error) {
	next := func(at int) (lines []api.ImportLine, err error) {
		part := order
		part.Devices = order.Devices[at:min(at+importChunk, len(order.Devices))]
		done, err := u.Registry.Import(ctx, who, part)
		if err != nil && len(done.Updated) == 0 {
			return nil, err
		}
		return outcomes(part.Devices, at, done), err
	}
	lines, err := next(0)
	if err != nil && lines == nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", ndjson)
		w.Header().Set("X-Accel-Buffering", "no") // nginx would hold lines back
		w.WriteHeader(http.StatusOK)
		out, control := json.NewEncoder(w), http.NewResponseController(w)
		for at := 0; ; {
			at += min(importChunk, len(order.Devices)-at)
			progress := api.ImportLine{Done: &at, Total: len(order.Devices)}
			if err != nil {
				p := route.Report(ctx, u.Log, "ImportDevices", err)
				progress.Error, progress.Description = p.Code, p.Description
			}
			_ = control.SetWriteDeadline(time.Now().Add(lineTimeout)) // test writers have no deadline
			for _, line := range append(lines, progress) {
				if failed := out.Encode(line); failed != nil {
					u.Log.LogAttrs(ctx, slog.LevelInfo, "import stopped: the client does not read its lines", slog.Int("done", at), slog.Any("err", failed))
					return
				}
			}
			_ = control.Flush()
			if err != nil || at == len(order.Devices) {
				return
			}
			lines, err = next(at)
		}
	}}, nil
}

// outcomes are the lines of devices, the first of which is number at, as far as done has them.
func outcomes(devices []fleet.NewDevice, at int, done fleet.Imported) []api.ImportLine {
	shown := rest.ShownImport(done)
	became := make(map[string]string, len(devices))
	for word, some := range map[string][]string{
		"updated": shown.New, "existing": shown.Existing, "nonmember": shown.Nonmember, "invalid": shown.Invalid,
	} {
		for _, id := range some {
			became[id] = word
		}
	}
	lines := make([]api.ImportLine, 0, len(devices)+1)
	for i, d := range devices {
		id := d.ID
		if word := became[id]; word != "" {
			lines = append(lines, api.ImportLine{Line: at + i + 1, ID: id, Outcome: word, Secret: shown.Secrets[id], User: shown.Users[id]})
		}
		if became[id] == "updated" { // of an id that is listed twice, the second exists already
			became[id] = "existing"
			delete(shown.Secrets, id)
			delete(shown.Users, id)
		}
	}
	return lines
}
