package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

// TestEventsListensAgain cuts the stream off after each event, and refuses every other
// try, as a server does that restarts.
func TestEventsListensAgain(t *testing.T) {
	var tries atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := tries.Add(1)
		if n%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, ":ok\n\nevent: spark/status\ndata: {\"data\":\"online\",\"coreid\":\"lamp-%d\"}\n\n", n)
	}))
	defer server.Close()
	var heard []string
	c := &eventsCmd{}
	err := c.listen(t.Context(), client.New(server.URL, ""), api.EventFilter{}, func(e api.Heard) error {
		heard = append(heard, e.Name+" "+e.Data+" "+e.CoreID)
		if len(heard) == 3 {
			return errEnough
		}
		return nil
	})
	if got, want := fmt.Sprint(heard, err), "[spark/status online lamp-1 spark/status online lamp-3 spark/status online lamp-5] enough events"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEventsEndsWhereTheFirstTryFails keeps a wrong address, or a wrong token, an error.
func TestEventsEndsWhereTheFirstTryFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := (&eventsCmd{}).listen(t.Context(), client.New(server.URL, ""), api.EventFilter{}, nil)
	if Advice(err) == "" {
		t.Errorf("got %v, without advice", err)
	}
}
