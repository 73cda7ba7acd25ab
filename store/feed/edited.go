package feed

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

// Edited is an edit of a catalog by another process.
type Edited struct {
	Product   fleet.ProductID // 0: all may have been edited
	Immediate fleet.Immediate
	Unknown   bool // devices may get something at once, it is not known what
}

// unknown is the text of an edit whose process did not finish it.
const unknown = "?"

func textOf(i fleet.Immediate) string {
	switch {
	case !i.Version.IsZero():
		return "version " + i.Version.String()
	case i.Release != 0:
		return "release " + i.Release.String()
	}
	return ""
}

func (e *Edited) read(text string) {
	switch kind, of, _ := strings.Cut(text, " "); kind {
	case "":
	case "version":
		v, err := fleet.ParseVersion(of)
		e.Immediate.Version, e.Unknown = v, err != nil
	case "release":
		e.Immediate.Release = fleet.ReleaseID(record.Decimal(of))
	default:
		e.Unknown = true
	}
}

// heard are edits that nobody has dealt with yet.
type heard struct {
	edits chan Edited
	more  atomic.Bool // there were more than fit
}

func (h *heard) add(e Edited) {
	select {
	case h.edits <- e:
	default:
		h.more.Store(true)
	}
}

// Edits calls edited for each edit of a catalog by another process, one after the other, until ctx ends.
func (f *Feed) Edits(ctx context.Context, edited func(Edited)) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-f.heard.edits:
			if f.heard.more.Swap(false) {
				e = Edited{Unknown: true}
			}
			edited(e)
		}
	}
}
