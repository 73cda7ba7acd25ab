package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
)

const (
	maxFetches = 4           // images that are fetched at the same time; others wait
	again      = time.Second // after a failed fetch, before the next one
)

// fetch is one image on its way to its copy, for all who wait for it.
type fetch struct {
	done  chan struct{} // closed when err and ended are set
	err   error
	ended time.Time
}

// Open implements image.Store. An image without a copy is fetched, whoever gives up waiting for
// it.
func (s *Store) Open(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (image.File, error) {
	k := key{product, digest}
	for range 3 { // a copy may be dropped before it is opened
		if file, err := s.copies.open(ctx, k); err == nil {
			return file, nil
		}
		file, errKept := s.kept.Open(ctx, product, digest)
		if errKept == nil {
			return file, nil
		}
		f := s.fetch(k)
		select {
		case <-f.done:
		default:
			select {
			case <-f.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		switch {
		case f.err == nil:
		case errors.Is(f.err, fleet.NotFound) && !errors.Is(errKept, fleet.NotFound):
			return nil, errKept // its only file is damaged
		default:
			return nil, f.err
		}
	}
	return nil, fleet.Errorf(fleet.Unavailable, "there is no room for a copy of the image %s: raise images.cache", digest)
}

// fetch begins to fetch an image, or returns the fetch that is under way or has just failed.
func (s *Store) fetch(k key) *fetch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, f := range s.fetches {
		if !f.ended.IsZero() && time.Since(f.ended) >= again {
			delete(s.fetches, other)
		}
	}
	if f := s.fetches[k]; f != nil {
		return f
	}
	f := &fetch{done: make(chan struct{})}
	if s.base.Err() != nil {
		f.err = fleet.Errorf(fleet.Unavailable, "the server ends")
		close(f.done)
		return f
	}
	s.fetches[k] = f
	s.tasks.Go(func() {
		err := s.fetchNow(k)
		s.mu.Lock()
		defer s.mu.Unlock()
		f.err, f.ended = err, time.Now()
		if err == nil {
			delete(s.fetches, k)
		}
		close(f.done)
	})
	return f
}

// fetchNow makes a copy of an image that any version has.
func (s *Store) fetchNow(k key) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.base.Done():
	}
	if s.base.Err() != nil {
		return fleet.Errorf(fleet.Unavailable, "the server ends")
	}
	versions, err := s.config.Records.Versions(s.base, k.product, k.digest)
	if err != nil {
		return err
	}
	err = fleet.Errorf(fleet.NotFound, "no image %s", k.digest)
	for _, f := range versions {
		if f.Object == "" {
			err = fleet.Errorf(fleet.NotFound, "the image %s is neither in the bucket nor in this server's data folder: start the server that it was uploaded to with images.url, which copies it to the bucket", k.digest)
			continue
		}
		if err = s.download(s.base, f); err == nil {
			return nil
		}
	}
	if errors.Is(err, context.Canceled) {
		err = fleet.Errorf(fleet.Unavailable, "the server ends")
	}
	return err
}

// download makes a copy of f's object, if its bytes are those that were uploaded.
func (s *Store) download(ctx context.Context, f fleet.Firmware) error {
	body, size, err := s.config.Objects.Get(ctx, f.Object)
	if err != nil {
		return err
	}
	defer body.Close()
	damaged := fleet.Errorf(fleet.Unavailable, "the object %s of version %s is damaged in the bucket: restore it, or upload the image again as another version", f.Object, f.Version)
	if size != f.Size {
		return damaged
	}
	s.copies.makeRoom(size)
	staged, err := s.copies.dir.Stage(ctx, body, f.Size)
	if errors.Is(err, fleet.TooLarge) {
		return damaged
	}
	if err != nil {
		return err
	}
	if staged.Digest != f.Digest {
		s.copies.dir.Discard(staged)
		return damaged
	}
	s.fetched.Add(1)
	s.bytes.Add(uint64(staged.Size))
	return s.copies.add(ctx, f.Product, staged)
}
