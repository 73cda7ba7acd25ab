package nodes

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/store/redistest"
)

// cluster measures one server on a Redis Cluster of three masters with a replica each, which waits
// for no replica or for one.
func (l *lab) cluster(ctx context.Context, t *report.Table) error {
	c, err := redistest.StartCluster(filepath.Join(l.Folder, "cluster"), 3, true, "appendonly yes", "appendfsync always", "hash-max-listpack-value 512")
	if err != nil {
		return err
	}
	l.atEnd(c.Stop)
	s := setup{redis: redis{url: c.URL(), network: "tcp"}}
	for _, n := range c.Nodes {
		s.redis.addresses = append(s.redis.addresses, n.Addr)
	}
	if err := l.begin(ctx, &s, "cluster", joined()...); err != nil {
		return err
	}
	devices, err := s.stock(ctx, product, l.Devices, []byte("what runs"))
	if err != nil {
		return err
	}
	for acks := range 2 {
		s.stop()
		if err := l.begin(ctx, &s, "cluster", joined("--ack-replicas", fmt.Sprint(acks))...); err != nil {
			return err
		}
		if err := l.admissions(ctx, &s, fmt.Sprintf("1 with --join, Cluster of 3+3, --ack-replicas %d", acks), devices, t); err != nil {
			return err
		}
	}
	return nil
}
