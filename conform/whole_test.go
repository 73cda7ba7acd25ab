//go:build sdk

package conform_test

import (
	"testing"

	"github.com/muster-iot/muster/conform"
)

func TestSimulatedDevicesKeepEveryRule(t *testing.T) {
	for name, kind := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsAll(t, kind, conform.Cases())
		})
	}
}
