package ota

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestNotNowPausesADownloadAndEnabledContinuesIt(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(4)
	r.report(wire.ReportDownloading, func(p *wire.Report) { p.Next = 4 })
	if news := r.report(wire.ReportUpdatesDisabled); !news.Changed || news.Again {
		t.Errorf("disabled: got %+v", news)
	}
	if r.count != 0 || w.Stats().Running != 0 || len(r.stops) != 0 {
		t.Errorf("got %d queued, %d running, stops %v", r.count, w.Stats().Running, r.stops)
	}
	if p := r.again(AtChange); p.Refused != wire.ReasonNotNow || p.Offer != nil {
		t.Errorf("got %+v, want not now", p)
	}
	w.state(t, "a", fleet.Downloading)
	if news := r.report(wire.ReportUpdatesEnabled); !news.Again {
		t.Errorf("enabled: got %+v", news)
	}
	r.again(AtChange)
	if len(r.offers) != 2 || r.offers[1].Update != r.offers[0].Update || r.offers[1].First != 4 {
		t.Errorf("got offers %+v, want the same update from 4", r.offers)
	}
	if w.Record("a").Attempts.Spent != 0 {
		t.Error("not now cost an attempt")
	}
}

func TestAForcedDeviceThatSaysNotNowContinues(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	w.Device("a", "1", func(d *fleet.Device) { d.Force = true })
	r, _ := w.connect("a", "1")
	r.report(wire.ReportUpdatesDisabled)
	if r.count == 0 || w.Stats().Running != 1 {
		t.Errorf("got %d queued, %d running", r.count, w.Stats().Running)
	}
}

func TestReportsThatDontFitAreIgnored(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*wire.Report){
		"another image":  func(p *wire.Report) { p.Image = fleet.Image{1} },
		"another update": func(p *wire.Report) { p.Update = fleet.UpdateID{1} },
	} {
		w := one(t, Config{})
		r, _ := w.connect("a", "1")
		before := w.Record("a").Revision
		if news := r.report(wire.ReportFailed, change, func(p *wire.Report) { p.Reason = wire.ReasonDigest }); news.Changed || w.Record("a").Revision != before {
			t.Errorf("%s: got %+v, revision %d after %d", name, news, w.Record("a").Revision, before)
		}
		if w.Stats().StaleReports != 1 {
			t.Errorf("%s: got %d stale reports, want 1", name, w.Stats().StaleReports)
		}
	}
}

func TestReportOfAnEarlierSessionIsRefused(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	session := w.Record("a").Session
	w.connect("a", "1")
	_, err := w.Report(t.Context(), "1/a", session, wire.Report{State: wire.ReportStored, Image: r.offers[0].Image()})
	if !errors.Is(err, fleet.Conflict) || w.Record("a").Update.State == fleet.Stored {
		t.Errorf("got %v, %s", err, w.Record("a").Update.State)
	}
}

func TestReportIsAnsweredOnlyWhenItIsWritten(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	session := w.Record("a").Session
	w.Store.Close()
	_, err := w.Report(t.Context(), "1/a", session, wire.Report{State: wire.ReportApplying, Image: r.offers[0].Image()})
	if !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if w.Stats().Running != 1 {
		t.Error("the download was dropped although the report was not written")
	}
}

func TestFailedReportSpendsAnAttempt(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	news := r.report(wire.ReportFailed, func(p *wire.Report) { p.Reason, p.Text = wire.ReasonDigest, "bad flash" })
	if news.Ended == nil || news.Ended.State != fleet.Failed || news.Ended.Text != "bad flash" || news.Device.Attempts.Spent != 1 {
		t.Errorf("got %+v", news)
	}
	if len(w.History("a")) != 1 || w.Stats().Running != 0 || r.count != 0 {
		t.Errorf("got history %v, %d running, %d queued", w.History("a"), w.Stats().Running, r.count)
	}
}
