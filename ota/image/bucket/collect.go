package bucket

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/image/s3"
)

// Collect implements image.Store. It removes objects that are a day old, by the bucket's clock,
// and had no version at the last call either: a clock that is wrong or jumps does no harm. What
// else is in the bucket is left alone.
func (s *Store) Collect(ctx context.Context) (removed int, err error) {
	if err := s.Claim(ctx); err != nil {
		return 0, err
	}
	now, err := s.now(ctx)
	if err != nil {
		return 0, err
	}
	found := make(map[string]bool)
	err = s.config.Objects.List(ctx, func(o s3.Object) error {
		product, digest, ok := parse(o.Name)
		if !ok || now.Sub(o.Written) < image.OrphanAge {
			return nil
		}
		versions, err := s.config.Records.Versions(ctx, product, digest)
		if err != nil {
			return err
		}
		for _, f := range versions {
			if f.Object == o.Name {
				return nil
			}
		}
		if !s.orphans[o.Name] {
			found[o.Name] = true
			return nil
		}
		removed++
		return s.config.Objects.Delete(ctx, o.Name)
	})
	if err == nil {
		s.orphans = found
	}
	return removed, err
}

// parse returns the parts of an object's name: {product}/{sha256 in hex}-{nonce}.
func parse(name string) (product fleet.ProductID, digest fleet.Digest, ok bool) {
	id, rest, _ := strings.Cut(name, "/")
	sum, nonce, _ := strings.Cut(rest, "-")
	number, errNumber := strconv.ParseUint(id, 10, 32)
	decoded, errSum := hex.DecodeString(sum)
	if errNumber != nil || errSum != nil || len(decoded) != len(digest) || nonce == "" {
		return 0, digest, false
	}
	return fleet.ProductID(number), fleet.Digest(decoded), true
}

// copyKept copies images to the bucket that are in the data folder only.
func (s *Store) copyKept(ctx context.Context) error {
	kept, err := s.kept.Images()
	copied := 0
	for _, k := range kept {
		versions, errVersions := s.config.Records.Versions(ctx, k.Product, k.Digest)
		err = errors.Join(err, errVersions)
		for _, f := range versions {
			if f.Object != "" {
				continue
			}
			errCopy := s.copyVersion(ctx, k, f)
			if err = errors.Join(err, errCopy); errCopy == nil {
				copied++
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if copied > 0 {
		s.config.Log.Info("copied images of the data folder to the bucket", "versions", copied)
	}
	return err
}

// copyVersion copies the image of f to the bucket.
func (s *Store) copyVersion(ctx context.Context, k image.Kept, f fleet.Firmware) error {
	file, err := s.kept.Open(ctx, k.Product, k.Digest)
	if err != nil {
		return err
	}
	defer file.Close()
	object, err := s.put(ctx, k.Product, k.Digest, file, k.Size)
	if err != nil {
		return err
	}
	return s.record(ctx, object, func(string) error {
		_, err := s.config.Edit(ctx, k.Product, func(c *fleet.Catalog) error {
			now, ok := c.Find(f.Version)
			if !ok || now.Digest != k.Digest || now.Object != "" {
				return fleet.Errorf(fleet.Conflict, "version %s was deleted, or copied by another server", f.Version)
			}
			now.Object = object
			c.Firmware[now.Version.Key()] = now
			return nil
		})
		return err
	})
}
