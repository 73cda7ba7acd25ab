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

func TestAReplicaThatIsBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	c, err := StartCluster(t.TempDir(), 3, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	master := c.Master("a")
	replica := c.Replica(master)
	if replica == nil || replica == master {
		t.Fatalf("the replica of %v is %v", master, replica)
	}
	if err := master.Client.Wait(t.Context(), 1, time.Second).Err(); err != nil { // it has all there is, and its master knows
		t.Fatal(err)
	}
	// The replica neither reads nor answers while it sleeps, less long than it takes to be declared dead.
	const asleep = NodeTimeout / 2
	began := time.Now()
	replica.Hang(asleep)
	if err := c.Client.Set(t.Context(), "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitReplicated(master); err != nil {
		t.Fatal(err)
	}
	if passed := time.Since(began); passed < asleep {
		t.Errorf("it waited %v for a replica that slept for %v", passed, asleep)
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
