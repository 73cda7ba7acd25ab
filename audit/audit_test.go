package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/spool"
)

var (
	owner = fleet.Actor{User: 1, Email: "owner@example.com", Team: 1, Role: fleet.Owner}
	admin = fleet.Actor{User: 2, Email: "admin@example.com", Team: 1, Role: fleet.Admin}
)

// open returns an audit log on an ephemeral store, and what the server logs.
func open(t *testing.T) (*audit.Log, *store.Store, *bytes.Buffer) {
	t.Helper()
	output := &bytes.Buffer{}
	log := slog.New(slog.NewTextHandler(output, nil))
	s, err := store.Ephemeral(t.Context(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return audit.New(s.Messages, log), s, output
}

func TestTheAuditLogIsSearched(t *testing.T) {
	ctx := t.Context()
	log, _, _ := open(t)
	for range 3 {
		log.Record(ctx, owner, "device.update", "lamp-7", audit.Fields{"name": "Hall"}, audit.Fields{"name": "Attic"})
		log.Record(ctx, admin, "group.create", "beta", nil, nil)
	}
	if _, _, err := log.Page(ctx, fleet.Actor{Team: 1, Role: fleet.Editor}, fleet.AuditQuery{Limit: 10}); !errors.Is(err, fleet.Denied) {
		t.Errorf("an editor: got %v, want Denied", err)
	}
	for name, row := range map[string]struct {
		query fleet.AuditQuery
		want  int
	}{
		"all of a kind":      {fleet.AuditQuery{Action: "device"}, 3},
		"half a word":        {fleet.AuditQuery{Action: "dev"}, 0},
		"a text inside":      {fleet.AuditQuery{Text: "ATTIC"}, 3},
		"who":                {fleet.AuditQuery{Email: "Admin@example.com", Object: "beta"}, 3},
		"a page of two":      {fleet.AuditQuery{Action: "group.create", Limit: 2}, 2},
		"text in no entry":   {fleet.AuditQuery{Text: "nothing of it"}, 0},
		"from an hour ago":   {fleet.AuditQuery{From: time.Now().Add(-time.Hour)}, 6},
		"from in an hour":    {fleet.AuditQuery{From: time.Now().Add(time.Hour)}, 0},
		"long from now":      {fleet.AuditQuery{From: time.Now().AddDate(0, 0, 9)}, 0},
		"to an hour ago":     {fleet.AuditQuery{To: time.Now().Add(-time.Hour)}, 0},
		"to in an hour":      {fleet.AuditQuery{To: time.Now().Add(time.Hour)}, 6},
		"by object and text": {fleet.AuditQuery{Object: "lamp-7", Text: "hall"}, 3},
	} {
		if row.query.Limit == 0 {
			row.query.Limit = 100
		}
		page, next, err := log.Page(ctx, owner, row.query)
		if err != nil || len(page) != row.want || (next != "") != (row.query.Limit == 2) {
			t.Errorf("%s: got %d entries, next %q, %v, want %d", name, len(page), next, err, row.want)
		}
	}
}

func TestAnEntryIsWrittenAlsoWhenTheClientHasLeft(t *testing.T) {
	log, _, output := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log.Record(ctx, owner, "team.update", "1", nil, audit.Fields{"name": "Acme"})
	page, _, err := log.Page(t.Context(), owner, fleet.AuditQuery{Limit: 10})
	if err != nil || len(page) != 1 {
		t.Fatalf("got %+v, %v, want one entry; logged %s", page, err, output)
	}
	if e := page[0]; e.Email != owner.Email || e.Before != "" || e.After != `{"name":"Acme"}` || e.At.IsZero() {
		t.Errorf("got %+v", e)
	}
}

func TestAnEntryTheStoreDoesNotTakeIsLogged(t *testing.T) {
	log, s, output := open(t)
	s.Close()
	log.Record(t.Context(), owner, "team.update", "1", nil, nil)
	for _, want := range []string{"level=ERROR", "audit entry lost", "action=team.update", "email=owner@example.com"} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("got %q, want %q in it", output, want)
		}
	}
}

func TestAnEntryTheStoreDoesNotTakeIsWrittenLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unaudited")
	keep := func(log *audit.Log) *spool.Spool {
		t.Helper()
		kept, err := spool.Open(path, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		log.Keep(kept)
		return kept
	}
	log, s, output := open(t)
	keep(log)
	s.Close()
	log.Record(t.Context(), owner, "team.update", "1", nil, audit.Fields{"name": "Acme"})
	if output.Len() > 0 {
		t.Errorf("got %s", output)
	}
	next, _, _ := open(t) // of the next process
	kept := keep(next)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); next.Run(ctx) }()
	var page []fleet.AuditEntry
	for len(page) == 0 && t.Context().Err() == nil {
		page, _, _ = next.Page(t.Context(), owner, fleet.AuditQuery{Limit: 10})
	}
	for len(kept.Lines()) > 0 && t.Context().Err() == nil { // it is dropped after it was written
		runtime.Gosched()
	}
	stop()
	<-ended
	if len(page) != 1 || page[0].Action != "team.update" || page[0].Email != owner.Email || page[0].After != `{"name":"Acme"}` {
		t.Errorf("got %+v", page)
	}
	again, err := spool.Open(path, 1<<16)
	if err != nil || len(again.Lines()) != 0 {
		t.Errorf("still on disk: %v, %v", again.Lines(), err)
	}
	_ = again.Close()
}
