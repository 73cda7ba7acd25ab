package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

// How much the death of a master may do to devices of the others, and how soon its own are served once a replica
// has taken over. The bars are 90 % and 3 s, on a machine of their own.
const (
	leastPrompt  = 0.7
	mostUnserved = 10 * time.Second
)

// judged is a check of what one server answers.
func (s *server) judged(check func(context.Context, *client.Client) ([]string, error)) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		wrong, err := check(ctx, s.client)
		for i := range wrong {
			wrong[i] = s.http + ": " + wrong[i]
		}
		return wrong, err
	}
}

// judge compares what is peculiar to several servers: all must list the same, and every device is connected once.
func (c *cluster) judge(ctx context.Context, r *round) (wrong []string, err error) {
	wrong = append(wrong, few(c.sessions.Wrong())...)
	c.probes.mu.Lock()
	wrong = append(wrong, few(c.probes.wrong)...)
	c.probes.mu.Unlock()
	c.mu.Lock()
	for _, o := range c.shards {
		if late := o.served.Sub(o.replaced); late > mostUnserved {
			wrong = append(wrong, fmt.Sprintf("devices of a master that died were served %v after a replica had taken over", late))
		}
		if o.due > 0 && o.others < leastPrompt*o.before {
			wrong = append(wrong, fmt.Sprintf("while a master was dead, %.0f %% of the handshakes with the others took less than %v", 100*o.others, prompt))
		}
	}
	c.mu.Unlock()
	_, over := c.transfers.Over()
	for _, e := range over {
		wrong = append(wrong, fmt.Sprintf("ota.max_updates is %d: %v", c.transfers.Limit, e))
	}
	for began := time.Now(); ; wait(ctx, time.Second) {
		found, err := c.presence(ctx, r)
		if len(found) > 0 && time.Since(began) > r.config.settle/4 {
			for _, s := range c.servers {
				s.dump(ctx)
			}
		}
		if err != nil || len(found) == 0 || time.Since(began) > r.config.settle/4 || ctx.Err() != nil {
			return append(wrong, few(found)...), err
		}
	}
}

// presence compares the lists of all servers with the sockets that are open.
func (c *cluster) presence(ctx context.Context, r *round) (wrong []string, err error) {
	open := 0
	for _, s := range c.servers {
		n, err := s.metric(ctx, "muster_connections")
		if err != nil {
			return nil, err
		}
		open += int(n)
		running := map[string]string{}
		for page, more := 1, true; more; page++ {
			yes := true
			list, err := s.client.Devices(ctx, product, api.DeviceFilter{Online: &yes, Sort: "deviceId", Page: page, PerPage: 100})
			if err != nil {
				return nil, err
			}
			for _, d := range list.Devices {
				running[d.ID] = d.Running.String()
			}
			more = page < list.Meta.TotalPages
		}
		for _, id := range r.ids {
			d, _ := r.fleet.Device(id)
			if is := running[id.String()]; d.Online && is != d.Running.String() {
				wrong = append(wrong, fmt.Sprintf("%s lists %s with %q, it is online and runs %s", s.http, id, is, d.Running))
			}
			if d.Online {
				delete(running, id.String())
			}
		}
		for id := range running {
			wrong = append(wrong, fmt.Sprintf("%s lists %s as online, which it is not", s.http, id))
		}
	}
	slices.Sort(wrong)
	online := r.fleet.Snapshot().Online
	if open != online || online < len(r.ids) {
		wrong = append([]string{fmt.Sprintf("the servers have %d connections, %d of %d devices are online", open, online, len(r.ids))}, wrong...)
	}
	return wrong, nil
}

// metric reads one value of /metrics.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("/metrics of %s has no %s: %w", s.http, name, lines.Err())
}
