package redistest

import (
	"testing"
	"time"
)

func TestAClusterElectsAReplica(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c, err := StartCluster(t.TempDir(), 3, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	t.Log("started after", time.Since(began))
	first := c.Master("a")
	first.Kill()
	if err := c.AwaitWhole(); err != nil {
		t.Fatal(err)
	}
	if c.Master("a") == first || len(c.Masters()) != 3 {
		t.Error("the dead master was not replaced")
	}
}

func TestSentinelsElectTheReplica(t *testing.T) {
	t.Parallel()
	s, err := StartSentinel(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	first := s.Master()
	first.Kill()
	if s.Master() == first {
		t.Error("the dead master was not replaced")
	}
}
