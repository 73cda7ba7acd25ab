package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/rest"
)

// asking asks for lists and impacts of each kind and notes how long the answers took.
type asking struct {
	bed            *bed
	server         *process.Process
	owner          *rest.Client
	options        options
	client         *http.Client
	walked         []string // cursors of the pages of the list of all devices
	found, weighed []report.Asked
}

// kind is one kind of request; path and body may differ from one to the next.
type kind struct {
	what string
	rest *rest.Client // who asks
	path func(i int) string
	body func(i int) any // of a PUT; nil: a GET
	want int             // devices in all, to the last one; 0: some
}

func (a *asking) everything(ctx context.Context) error {
	if err := a.walk(ctx); err != nil {
		return err
	}
	corner, err := a.as(ctx, smallGroup)
	if err != nil {
		return err
	}
	quarter, err := a.as(ctx, largeGroup)
	if err != nil {
		return err
	}
	for _, k := range a.kinds(corner, quarter) {
		measured, err := a.measure(ctx, k)
		if err != nil {
			return err
		}
		if k.body != nil {
			a.weighed = append(a.weighed, measured)
		} else {
			a.found = append(a.found, measured)
		}
	}
	return nil
}

// as signs in the editor of a group.
func (a *asking) as(ctx context.Context, group string) (*rest.Client, error) {
	r := &rest.Client{Base: a.owner.Base, HTTP: a.client}
	return r, r.SignIn(ctx, emailOf(group), passwordOf(group))
}

// walk asks for the list of all devices, page after page, to its end.
func (a *asking) walk(ctx context.Context) error {
	before := a.server.CPU()
	var took []time.Duration
	listed := 0
	for cursor := ""; ; {
		var page struct {
			Total int    `json:"total"`
			Next  string `json:"pageNextToken"`
		}
		began := time.Now()
		if err := a.owner.Send(ctx, http.MethodGet, "/v1/devices?pageLimit=100&pageNextToken="+url.QueryEscape(cursor), "", nil, &page); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		a.walked = append(a.walked, cursor)
		listed += page.Total
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if listed != a.options.devices {
		return fmt.Errorf("%d devices were listed, %d are there", listed, a.options.devices)
	}
	a.found = append(a.found, a.note("all by cursor, each page, one client", took, before))
	return nil
}

// note sums up what took long since the server had used so much processor time.
func (a *asking) note(what string, took []time.Duration, before time.Duration) report.Asked {
	s := report.Summary(what, took)
	s.CPU = report.Milliseconds([]time.Duration{a.server.CPU() - before}, 0) / float64(len(took))
	a.bed.progress("%s: p50 %.2f, p99 %.2f, max %.2f ms, CPU %.2f ms", what, s.P50, s.P99, s.Max, s.CPU)
	return s
}

func (a *asking) measure(ctx context.Context, k kind) (report.Asked, error) {
	before := a.server.CPU()
	took, err := inTurns(ctx, a.options.clients, a.options.asked, func(ctx context.Context, i int) error {
		var answer []byte
		var err error
		if k.body != nil {
			err = k.rest.Call(ctx, http.MethodPut, k.path(i), k.body(i), &answer)
		} else {
			err = k.rest.Send(ctx, http.MethodGet, k.path(i), "", nil, &answer)
		}
		if err == nil && (bytes.Contains(answer, []byte(`"total":0`)) || i == 0 && k.want > 0 && total(answer) != k.want) {
			err = fmt.Errorf("%s: expected %d devices: %.200s", k.path(i), k.want, answer)
		}
		return err
	})
	if err != nil {
		return report.Asked{}, fmt.Errorf("%s: %w", k.what, err)
	}
	return a.note(k.what, took, before), nil
}

// count is how many devices of the fleet are such.
func (a *asking) count(such func(n int) bool) (devices int) {
	for n := range a.options.devices {
		if such(n) {
			devices++
		}
	}
	return devices
}

// total is the number of devices in an answer, of a list or of an impact.
func total(answer []byte) int {
	var list struct {
		Meta struct {
			Total int `json:"total"`
		} `json:"meta"`
	}
	if json.Unmarshal(answer, &list) == nil && list.Meta.Total > 0 {
		return list.Meta.Total
	}
	type impact struct {
		Devices struct {
			Update struct {
				Total int `json:"total"`
			} `json:"firmware_update"`
		} `json:"devices"`
	}
	var batch struct {
		impact
		Impact impact `json:"impact"`
	}
	_ = json.Unmarshal(answer, &batch) // a list has no devices object
	return batch.Devices.Update.Total + batch.Impact.Devices.Update.Total
}

// kinds are the lists and impacts that are measured.
func (a *asking) kinds(corner, quarter *rest.Client) []kind {
	owner := a.owner
	const products = "/v1/products/" + product
	one := func(path string) func(int) string { return func(int) string { return path } }
	cursor := func(n int) func(int) string {
		return one("/v1/devices?pageLimit=100&pageNextToken=" + url.QueryEscape(a.walked[n]))
	}
	page := func(query string) func(int) string { // of 25 rows, as far as page numbers reach
		return func(i int) string { return fmt.Sprint(products, "/devices?per_page=25&page=", i%400+1, "&", query) }
	}
	first := func(format string) func(int) string { // each time another text
		return func(i int) string { return products + "/devices?per_page=25&" + fmt.Sprintf(format, i%900) }
	}
	last, all := len(a.walked)-1, a.options.devices
	lists := []kind{
		{"all by cursor, first page", owner, cursor(0), nil, 0},
		{"all by cursor, a middle page", owner, cursor(last / 2), nil, 0},
		{"all by cursor, last page", owner, cursor(last), nil, 0},
		{"by last handshake, pages to row 10,000", owner, page("sortAttr=lastConnection"), nil, all},
		{"by name, pages to row 10,000", owner, page("sortAttr=deviceName"), nil, all},
		{"by name, from the end", owner, page("sortAttr=deviceName&sortDir=desc"), nil, all},
		{"by version, pages to row 10,000", owner, page("sortAttr=firmwareVersion"), nil, all},
		{"large group, by name", owner, page("sortAttr=deviceName&groups=" + largeGroup), nil, a.count(inLarge)},
		{"small group, by last handshake", owner, one(products + "/devices?page=3&groups=" + smallGroup), nil, a.count(inSmall)},
		{"one version, by name", owner, page("sortAttr=deviceName&firmwareVersion=3"), nil, a.count(func(n int) bool { return runs(n) == 3 })},
		{"online, by name", owner, one(products + "/devices?sortAttr=deviceName&online=true"), nil, 0},
		{"name prefix, by cursor, each another", owner, func(i int) string { return fmt.Sprint("/v1/devices?pageLimit=100&deviceNameFuzzy=lamp%20", i%900+1) }, nil, 0},
		{"name prefix of all, by cursor", owner, one("/v1/devices?pageLimit=100&deviceNameFuzzy=lamp"), nil, 0},
		{"part of the name, each another", owner, first("sortAttr=deviceName&deviceName=hall%%20%d"), nil, 0},
		{"part of the name, pages", owner, page("sortAttr=deviceName&deviceName=HALL"), nil, all},
		{"part of the id, each another", owner, first("sortAttr=deviceId&deviceId=5%d"), nil, 0},
	}
	for _, editor := range []struct {
		who  string
		rest *rest.Client
		sees int
	}{{"editor of the small group", corner, a.count(seenFrom(smallGroup))}, {"editor of the large group", quarter, a.count(seenFrom(largeGroup))}} {
		lists = append(lists, []kind{
			{editor.who + ", by name", editor.rest, page("sortAttr=deviceName"), nil, editor.sees},
			{editor.who + ", by last handshake", editor.rest, page("sortAttr=lastConnection"), nil, editor.sees},
			{editor.who + ", by cursor", editor.rest, cursor(last / 2), nil, 0},
			{editor.who + ", part of the name, each another", editor.rest, first("sortAttr=deviceName&deviceName=%d"), nil, 0},
		}...)
	}
	return append(append(lists, []kind{
		{"groups with their members", owner, one(products + "/groups"), nil, 0},
		{"firmware with its devices", owner, one(products + "/firmware"), nil, 0},
		{"updates under way", owner, one(products + "/updates?state=offered,downloading"), nil, 0},
		{"progress of a release", owner, one(products + "/firmware/2/progress"), nil, 0},
	}...), a.impacts(quarter)...)
}
