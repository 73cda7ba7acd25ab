//go:build !browser || race

package browsertest

import (
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

func TestMain(m *testing.M) { cloudtest.Main(m) }
