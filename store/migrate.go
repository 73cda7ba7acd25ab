package store

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/migrate"
	"github.com/muster-iot/muster/store/move"
	"github.com/muster-iot/muster/store/pipeline"
)

// Say is called with sentences about what is done.
type Say = func(format string, args ...any)

// Migrate brings a store of an older layout to that of this release, in Redis at o.URL or, without one,
// in o.Dir. No server may use it. It may be ended at any time and run again. With dry, it reads
// what is there and changes nothing.
func Migrate(ctx context.Context, o Options, dry bool, say Say) error {
	o.shared, o.offline = dry, identity.Older()
	return offline(ctx, o, func(ctx context.Context, s *Store) error {
		c, err := s.core.Master(keys.Store)
		if err != nil {
			return err
		}
		is, err := identity.Layout(ctx, c, s.unnamed)
		switch {
		case err != nil:
			return err
		case is == identity.First && s.core.Clustered():
			return errors.New("a store of layout 1 can't be migrated in a Redis Cluster: its keys can't be renamed from one master to another; " +
				"restore its backup to a single Redis, and migrate it there")
		case is == identity.Current:
			say("the store has layout %s already: nothing to do", is)
			return nil
		}
		if other := (&identity.OtherLayout{Is: is}); !other.Older() {
			return other
		}
		say("the store has layout %s; this release needs layout %s", is, identity.Current)
		return s.migrate(ctx, c, dry, say)
	})
}

func (s *Store) migrate(ctx context.Context, c pipeline.Master, dry bool, say Say) error {
	m := &migrate.Migration{Redis: s.core.Pipeline, First: !s.core.Clustered(), Say: say, Documents: map[string]func(map[string]string) error{
		"p": readable(catalogKind), "t": readable(rosterKind), "u": readable(accountKind),
	}, Product: func(fields map[string]string) (fleet.Product, error) {
		found, err := catalogKind.Read(fields)
		if err != nil {
			return fleet.Product{}, err
		}
		return found.Product, nil
	}}
	if dry {
		found, err := m.Look(ctx)
		if err == nil {
			say("found %s; nothing was changed", found)
		}
		return err
	}
	err := s.keeper.SetLayout(ctx, c, identity.Migrating) // from now on, no release reads half of it
	if err == nil {
		err = m.Run(ctx)
	}
	if err == nil {
		err = s.keeper.SetLayout(ctx, c, identity.Current)
	}
	if err == nil {
		say("the store has layout %s", identity.Current)
	}
	return err
}

func readable[T any](k document.Kind[T]) func(map[string]string) error {
	return func(fields map[string]string) error {
		if len(fields) == 0 {
			return errors.New("an empty document")
		}
		_, err := k.Read(fields)
		return err
	}
}

// Move copies a store to the Redis at to, checks it there, and leaves it unusable where it was. No
// server may use it. It may be ended at any time and run again.
func Move(ctx context.Context, o Options, to string, say Say) error {
	p, err := move.Connect(ctx, to, o.log())
	if err != nil {
		return err
	}
	defer p.Close()
	o.offline = []string{identity.Moved}
	return offline(ctx, o, func(ctx context.Context, s *Store) error {
		m := &move.Move{ID: s.ID(), From: s.core.Pipeline, To: p, Say: say, Leave: s.keeper.SetLayout}
		return m.Run(ctx)
	})
}

// offline opens a store that no server uses, for work, whose context ends if another process takes
// the store.
func offline(ctx context.Context, o Options, work func(context.Context, *Store) error) error {
	open := Serve
	if o.URL != "" {
		open = Open
	}
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case err := <-s.lost:
			cancel(err)
		case <-ctx.Done():
		}
	})
	err = work(ctx, s)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	cancel(nil)
	watching.Wait()
	return err
}

// OlderLayout reports whether err means that the store must be migrated first.
func OlderLayout(err error) bool {
	var other *identity.OtherLayout
	return errors.As(err, &other) && other.Older()
}
