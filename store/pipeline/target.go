package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/muster-iot/muster/store/slots"
)

// Target is where a Redis is. One of its first three fields is set.
type Target struct {
	Server   *redis.Options         // one server
	Sentinel *redis.FailoverOptions // the master that Sentinels name
	Cluster  *redis.ClusterOptions  // the masters of a Cluster, known from these nodes

	Copies int // replicas that must have a write before Write returns
}

// Parse returns the target of a URL, in one of go-redis's forms:
//
//	redis://HOST:PORT/DB, rediss:// for TLS, or unix:///PATH         one server
//	redis://HOST:PORT/DB?master_name=NAME&addr=HOST:PORT...          Sentinels
//	redis://HOST:PORT?addr=HOST:PORT...                              nodes of a Cluster
//
// For Sentinels, the user and password in front of the host are theirs, those of the master are
// the parameters username and password. Errors never contain the URL.
func Parse(text string) (t Target, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return t, fmt.Errorf("redis url: %w", cmp.Or(errors.Unwrap(err), err)) // the outer error has the URL, and its password
	}
	switch {
	case u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix":
		return t, errors.New("redis url: use redis://, rediss:// or unix://")
	case strings.Contains(u.Host, ","):
		return t, errors.New("redis url: it has several hosts: for a Cluster use redis://HOST:PORT?addr=HOST2:PORT2&addr=..., " +
			"for Sentinels redis://HOST:PORT?master_name=NAME&addr=HOST2:PORT2")
	case u.Query().Has("master_name"):
		t.Sentinel, err = redis.ParseFailoverURL(text)
	case u.Query().Has("addr"):
		if strings.Trim(u.Path, "/0") != "" {
			return t, errors.New("redis url: a Cluster has no other database than 0: leave " + u.Path + " out")
		}
		t.Cluster, err = redis.ParseClusterURL(text)
	default:
		t.Server, err = redis.ParseURL(text)
	}
	if err != nil {
		return Target{}, fmt.Errorf("redis url: %w", err)
	}
	return t, nil
}

// dial returns a client of the master at addr, "" for the only one, whose new connections g makes usable.
func (t Target) dial(addr string, g *guard) slots.Node {
	connected := func(ctx context.Context, c *redis.Conn) error { return g.connected(ctx, c) }
	switch {
	case addr != "":
		o := t.node(addr)
		o.OnConnect = connected
		return redis.NewClient(o)
	case t.Sentinel == nil:
		t.Server.OnConnect = connected
		return redis.NewClient(explicit(t.Server))
	}
	o, e := t.Sentinel, explicit(&redis.Options{})
	o.OnConnect = func(ctx context.Context, c *redis.Conn) error { // connections to Sentinels are made like those to the master
		if role, err := c.Do(ctx, "role").Slice(); err != nil || len(role) > 0 && role[0] == "sentinel" {
			return err
		}
		return connected(ctx, c)
	}
	o.MaxRetries = e.MaxRetries
	o.DialTimeout, o.DialerRetries = e.DialTimeout, e.DialerRetries
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = e.ReadTimeout, e.WriteTimeout, e.PoolTimeout
	o.ContextTimeoutEnabled = e.ContextTimeoutEnabled
	o.PoolSize, o.PipelinePoolSize, o.MinIdleConns = e.PoolSize, e.PipelinePoolSize, e.MinIdleConns
	o.ReadBufferSize, o.WriteBufferSize = e.ReadBufferSize, e.WriteBufferSize
	o.Protocol, o.DisableIdentity = e.Protocol, e.DisableIdentity
	return redis.NewFailoverClient(o)
}

// node returns the options of one node of a Cluster.
func (t Target) node(addr string) *redis.Options {
	o := t.Cluster
	return explicit(&redis.Options{
		Addr: addr, ClientName: o.ClientName, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig, Dialer: o.Dialer,
	})
}

// finder finds the masters of a Cluster; nil without one.
func (t Target) finder() *slots.Finder {
	if t.Cluster == nil {
		return nil
	}
	return slots.NewFinder(t.Cluster.Addrs, func(addr string) slots.Node {
		o := t.node(addr)
		o.PoolSize = 4
		return redis.NewClient(o)
	})
}

// poolSize is far more connections than the batchers use: after as many failed dials
// go-redis would only try once a second, and callers would wait for a Redis that is back.
const poolSize = 32

// explicit sets every default of go-redis that matters here: a batcher decides about
// retries, and a handful of connections serves all callers.
func explicit(o *redis.Options) *redis.Options {
	o.MaxRetries = -1
	o.DialTimeout, o.DialerRetries = 2*time.Second, 1
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = tripTimeout, tripTimeout, tripTimeout
	o.ContextTimeoutEnabled = true
	o.PoolSize, o.PipelinePoolSize, o.MinIdleConns = poolSize, -1, 0
	o.ReadBufferSize, o.WriteBufferSize = 64<<10, 64<<10
	o.Protocol, o.DisableIdentity = 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o
}
