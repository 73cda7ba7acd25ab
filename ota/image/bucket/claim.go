package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image/s3"
)

// owner is the object that says whose the others are.
const owner = "muster-store"

// maxOwner is how many bytes of it are read.
const maxOwner = 256

// Claim makes the objects those of Config.Owner, if they are nobody's yet. It returns
// fleet.Conflict if they are another installation's: each would collect the other's images. Its
// other errors are those of s3.Bucket.
func (s *Store) Claim(ctx context.Context) error {
	if s.claimed.Load() {
		return nil
	}
	return s.look(ctx)
}

// look looks whose the objects are.
func (s *Store) look(ctx context.Context) error {
	found, err := s.owner(ctx)
	if errors.Is(err, fleet.NotFound) {
		if err := s.writeOwner(ctx, true); err != nil && !errors.Is(err, fleet.Conflict) {
			return err
		}
		found, err = s.owner(ctx)
	}
	if err != nil {
		return err
	}
	if found != s.config.Owner {
		s.claimed.Store(false)
		return fleet.Errorf(fleet.Conflict, "%s has the images of another installation (store %.8s, this one is %.8s): name another bucket or prefix in images.url", s.config.Objects, found, s.config.Owner)
	}
	s.claimed.Store(true)
	return nil
}

func (s *Store) owner(ctx context.Context) (string, error) {
	body, _, err := s.config.Objects.Get(ctx, owner)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxOwner))
	return strings.TrimSpace(string(text)), err
}

func (s *Store) writeOwner(ctx context.Context, once bool) error {
	text := s.config.Owner + "\n"
	return s.config.Objects.Put(ctx, owner, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text)), once)
}

// now is the time by the bucket's clock, which need not be right: the time of what was just
// written.
func (s *Store) now(ctx context.Context) (time.Time, error) {
	if err := s.writeOwner(ctx, false); err != nil {
		return time.Time{}, err
	}
	object, err := s.config.Objects.Stat(ctx, owner)
	return object.Written, err
}

// every is the time between two looks at the bucket.
const every = 10 * time.Second

// Run looks every few seconds whether the bucket can be used, and copies images there that are in
// the data folder only, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	copying, said := true, ""
	for {
		err := s.look(ctx)
		if ctx.Err() != nil {
			return
		}
		s.note(err)
		if err == nil && copying {
			err := s.copyKept(ctx)
			if copying = err != nil; copying && err.Error() != said {
				said = err.Error()
				s.config.Log.Warn("not all images of the data folder could be copied to the bucket", "err", s3.Detail(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note notes whether the bucket can be used, and logs when that changes.
func (s *Store) note(err error) {
	was := s.trouble.Load()
	switch {
	case err == nil:
		s.trouble.Store(nil)
		if was != nil {
			s.config.Log.Info("the bucket of images can be used again", "bucket", s.config.Objects.String())
		}
	default:
		s.trouble.Store(&err)
		if was == nil {
			s.config.Log.Error("the bucket of images can't be used: images with a copy on this server are still sent, others wait", "bucket", s.config.Objects.String(), "err", s3.Detail(err))
		}
	}
}

// Trouble returns why the bucket could not be used when Run last looked, in words that anyone may
// see; nil if it could.
func (s *Store) Trouble() error {
	err := s.trouble.Load()
	switch {
	case err == nil:
		return nil
	case errors.Is(*err, fleet.Conflict):
		return fleet.Errorf(fleet.Unavailable, s3.Unusable)
	}
	return *err
}

// Start claims the objects. If the server is away it only notes that: images that have a copy can
// be sent. Other errors are returned.
func (s *Store) Start(ctx context.Context) error {
	err := s.Claim(ctx)
	if err != nil && !errors.Is(err, s3.ErrAway) {
		return fmt.Errorf("images: %s", s3.Detail(err))
	}
	s.note(err)
	return nil
}
