package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// copyTimeout is how long a trip waits for replicas. It is made again then, so that it ends with a
// reply even if a replica hangs.
const copyTimeout = time.Second

// errUncopied is the cause of a trip that the master carried out and too few replicas have.
var errUncopied = errors.New("redis has too few replicas that have the last write (redis.ack_replicas): start them, or lower that number")

// copied returns nil if the replicas have what the master has now.
func (s *shard) copied(ctx context.Context) error {
	if s.copies == 0 {
		return nil
	}
	p := s.client.Pipeline()
	p.Ping(ctx)
	copied := awaitCopies(ctx, p, s.copies)
	_ = Exec(ctx, p) // copied has the error
	return copied()
}

// awaitCopies adds to a trip that its reply comes when so many replicas have what the master has
// by then. The returned function, to be called after the trip, returns errUncopied if they have
// not. WAIT counts from where the master is after the command before it, so that a trip that is
// made again, and finds everything written, waits for the first one's writes.
func awaitCopies(ctx context.Context, p redis.Pipeliner, copies int) func() error {
	if copies == 0 {
		return func() error { return nil }
	}
	reply := p.Do(ctx, "wait", copies, copyTimeout.Milliseconds())
	return func() error {
		switch n, err := reply.Int(); {
		case err != nil:
			return err
		case n < copies:
			return errUncopied
		}
		return nil
	}
}
