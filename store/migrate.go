package store

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/migrate"
	"github.com/muster-iot/muster/store/pipeline"
)

// Migrate brings a store of an older layout to that of this release, in Redis at o.URL or, without one,
// in o.Dir. No server may use it. It may be ended at any time and run again. With dry, it reads
// what is there and changes nothing. It calls say with what it does.
func Migrate(ctx context.Context, o Options, dry bool, say func(format string, args ...any)) error {
	o.migrating, o.shared = true, dry
	open := Serve
	if o.URL != "" {
		target, err := pipeline.Parse(o.URL)
		if err != nil {
			return err
		}
		if target.Cluster != nil {
			return errors.New("a store in a Redis Cluster can't be migrated: keys can't be renamed from one master to another; " +
				"restore its backup to a single Redis, and migrate it there")
		}
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
	err = s.migrate(ctx, dry, say)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	cancel(nil)
	watching.Wait()
	return err
}

func (s *Store) migrate(ctx context.Context, dry bool, say func(string, ...any)) error {
	c := s.core.Masters()[0]
	is, err := identity.Layout(ctx, c, s.unnamed)
	switch {
	case err != nil:
		return err
	case is > keys.Layout:
		return &identity.OtherLayout{Is: is}
	case is == keys.Layout:
		say("the store has layout %d already: nothing to do", is)
		return nil
	}
	say("the store has layout %d; this release needs layout %d", is, keys.Layout)
	m := &migrate.Store{Redis: c, Say: say, Documents: map[string]func(map[string]string) error{
		"p": readable(catalogKind), "t": readable(rosterKind), "u": readable(accountKind),
	}}
	if dry {
		found, err := m.Look(ctx)
		if err == nil {
			say("found %s; nothing was changed", found)
		}
		return err
	}
	if err := m.Run(ctx); err != nil {
		return err
	}
	if err := s.keeper.Migrated(ctx, c); err != nil {
		return err
	}
	say("the store has layout %d", keys.Layout)
	return nil
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

// OlderLayout reports whether err means that the store must be migrated first.
func OlderLayout(err error) bool {
	var other *identity.OtherLayout
	return errors.As(err, &other) && other.Older()
}
