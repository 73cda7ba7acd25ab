package release

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/fleet"
)

// readable returns fleet.Unavailable if order, which can be applied to c, releases a version at a
// new target whose image can't be read: no device would get it. An order that only takes back
// does not need the image.
func (s *Service) readable(ctx context.Context, c *fleet.Catalog, order fleet.ReleaseOrder) error {
	f, err := find(c, order.Version)
	if err != nil || len(added(c, f.Version, order)) == 0 {
		return err
	}
	err = s.images.Readable(ctx, c.Product.ID, f.Digest)
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case fleet.KindOf(err) == "": // it may name files of the server
		return fmt.Errorf("image of version %s: %w", f.Version, err)
	}
	return fleet.Errorf(fleet.Unavailable, "version %s is not released, because its image can't be read: %s", f.Version, err) // not %w: the version itself is found
}
