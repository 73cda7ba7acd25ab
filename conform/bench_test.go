package conform_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/conform"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// tested runs cases against one simulated device.
func tested(t *testing.T, kind simulator.ClientKind, profile simulator.Profile, cases []conform.Case) conform.Report {
	t.Helper()
	bench, err := conform.New(conform.Config{Addr: "127.0.0.1:0", Device: "dut", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	device, err := simulator.New(simulator.Config{
		Broker:  mqttlite.Broker{Scheme: "tcp", Host: bench.Addr().String()},
		Devices: []simulator.Credential{{ID: "dut", Secret: "secret"}},
		Client:  kind, Profile: profile,
	})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		device.Run(ctx)
	}()
	report, err := bench.Run(ctx, cases, func(r conform.Result) {
		var line strings.Builder
		r.WriteLine(&line)
		t.Log(strings.TrimSpace(line.String()))
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-over
	end, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	if err := bench.Close(end); err != nil {
		t.Error(err)
	}
	return report
}

// clients are the simulator's two.
var clients = map[string]simulator.ClientKind{"paho": simulator.Paho, "light": simulator.Light}

// The whole list takes ten minutes of waiting for devices: it runs with the tag sdk.
func TestSimulatedDevicesKeepTheRulesOfOffersAndCommands(t *testing.T) {
	for name, kind := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsAll(t, kind, casesOf("offer/one", "offer/rep", "command/", "apply/new"))
		})
	}
}

func keepsAll(t *testing.T, kind simulator.ClientKind, cases []conform.Case) {
	t.Helper()
	report := tested(t, kind, simulator.Profile{MaxImage: 8 << 20}, cases)
	if len(report.Results) < len(cases) {
		t.Errorf("%d of %d cases were run", len(report.Results), len(cases))
	}
	for _, r := range report.Results {
		if r.Outcome == conform.Failed {
			t.Errorf("%s: %s", r.Name, r.Detail)
		}
	}
}

func casesOf(prefixes ...string) (some []conform.Case) {
	for _, c := range conform.Cases() {
		for _, prefix := range prefixes {
			if strings.HasPrefix(c.Name, prefix) {
				some = append(some, c)
			}
		}
	}
	return some
}

func TestReportIsJUnit(t *testing.T) {
	report := conform.Report{Device: "dut", Results: []conform.Result{
		{Name: "a/kept", Section: "hello", Level: conform.Must, Outcome: conform.Passed, Took: time.Second},
		{Name: "b/broken", Section: "want", Level: conform.Must, Outcome: conform.Failed, Detail: `got <2> & "3"`},
		{Name: "c/advice", Section: "want", Level: conform.Should, Outcome: conform.Failed, Detail: "slow"},
		{Name: "d/skipped", Section: "want", Level: conform.Must, Outcome: conform.Skipped, Detail: "no"},
	}}
	var out bytes.Buffer
	if err := report.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(out.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 4 || suite.Failures != 1 || suite.Skipped != 1 {
		t.Errorf("got %d tests, %d failures, %d skipped, want 4, 1, 1", suite.Tests, suite.Failures, suite.Skipped)
	}
	if got := suite.Cases[1].Failure.Message; got != `got <2> & "3"` {
		t.Errorf("got the message %q", got)
	}
}
