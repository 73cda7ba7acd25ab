package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
)

const (
	ndjson      = "application/x-ndjson"
	importChunk = 1000             // devices between two lines of progress
	lineTimeout = 20 * time.Second // for a client to read the lines of one chunk
)

// ImportLine is one line of an import that tells as it goes: of a device, or, without id,
// how far it is. The last line has done equal to total, or an error: what came before it
// is in, and the same import may be sent again.
type ImportLine struct {
	Line        int    `json:"line,omitempty" doc:"Of the device among those sent, from 1"`
	ID          string `json:"id,omitempty"`
	Outcome     string `json:"outcome,omitempty" enum:"updated,existing,nonmember,invalid"`
	Secret      string `json:"secret,omitempty" doc:"Of a new device: shown this once"`
	Done        *int   `json:"done,omitempty" doc:"Devices so far"`
	Total       int    `json:"total,omitempty"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
}

// importLines imports order bit by bit. What is wrong with all of it is found with the
// first bit, and answered as any error.
func (s *server) importLines(ctx context.Context, who fleet.Actor, order fleet.Import) (*huma.StreamResponse, error) {
	next := func(at int) (lines []ImportLine, err error) {
		part := order
		part.IDs = order.IDs[at:min(at+importChunk, len(order.IDs))]
		done, err := s.Import(ctx, who, part)
		if err != nil && len(done.Updated) == 0 {
			return nil, err
		}
		return outcomes(part.IDs, at, done), err
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
			at += min(importChunk, len(order.IDs)-at)
			progress := ImportLine{Done: &at, Total: len(order.IDs)}
			if err != nil {
				p := problem(s.told(ctx, "ImportDevices", err))
				progress.Error, progress.Description = p.Code, p.Description
			}
			_ = control.SetWriteDeadline(time.Now().Add(lineTimeout)) // a writer that can't is a test's
			for _, line := range append(lines, progress) {
				if failed := out.Encode(line); failed != nil {
					s.log.LogAttrs(ctx, slog.LevelInfo, "import given up: nobody reads its lines", slog.Int("done", at), slog.Any("err", failed))
					return
				}
			}
			_ = control.Flush()
			if err != nil || at == len(order.IDs) {
				return
			}
			lines, err = next(at)
		}
	}}, nil
}

// outcomes is what became of each of ids, whose first is number at, as far as done says.
func outcomes(ids []string, at int, done fleet.Imported) []ImportLine {
	became := make(map[string]string, len(ids))
	for word, some := range map[string][]string{
		"updated": texts(done.Updated), "existing": texts(done.Existing), "nonmember": texts(done.Nonmember), "invalid": done.Invalid,
	} {
		for _, id := range some {
			became[id] = word
		}
	}
	lines := make([]ImportLine, 0, len(ids)+1)
	for i, id := range ids {
		if word := became[id]; word != "" {
			lines = append(lines, ImportLine{Line: at + i + 1, ID: id, Outcome: word, Secret: done.Secrets[fleet.DeviceID(id)]})
		}
		if became[id] == "updated" { // named twice: the second time it is there
			became[id] = "existing"
			delete(done.Secrets, fleet.DeviceID(id))
		}
	}
	return lines
}
