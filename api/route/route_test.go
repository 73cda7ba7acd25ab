package route

import (
	"context"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestOperationWithoutAccessIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an operation that declares no access was registered")
		}
	}()
	nothing := func(context.Context, fleet.Actor, *struct{}) (*None, error) { return nil, nil }
	Serve(Config{}, Table{Routes: []Route{Get("Open", "/v1/open", "Open", Access{}, nothing)}})
}
