package migrate

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
)

// Contents is what is in a store.
type Contents struct {
	Old    int              // keys that have a name of an older layout
	astray int              // records of devices that say no team
	kinds  map[string]count // by kind of key
}

// count is what there is of one kind of key.
type count struct{ keys, records, unreadable int }

// named are the kinds of keys whose records a person knows, and what these are.
var named = []struct{ kind, one, many string }{
	{"d", "device", "devices"},
	{"h", "past update", "past updates"},
	{"o", "command", "commands"},
	{"p", "product", "products"},
	{"t", "team", "teams"},
	{"u", "user", "users"},
	{"k", "token", "tokens"},
	{"m", "message", "messages"},
	{"a", "alert", "alerts"},
}

// String is what there is, in words.
func (c Contents) String() string {
	var words []string
	for _, n := range named {
		what := n.many
		if c.kinds[n.kind].records == 1 {
			what = n.one
		}
		words = append(words, fmt.Sprintf("%d %s", c.kinds[n.kind].records, what))
	}
	all, unreadable := 0, 0
	for _, k := range c.kinds {
		all += k.keys
		unreadable += k.unreadable
	}
	text := fmt.Sprintf("%s; %d keys, of which %d have to be renamed", strings.Join(words, ", "), all, c.Old)
	if unreadable > 0 {
		text += fmt.Sprintf("; %d records can't be read, by this release or the one before", unreadable)
	}
	return text
}

// uncounted are the kinds of keys that end by themselves, and those that a migration makes of others.
var uncounted = []string{"i", "io", "lease", "s", "y"}

// differs returns how later contents differ from c, "" if they do not.
func (c Contents) differs(later Contents) string {
	if later.Old > 0 {
		return fmt.Sprintf("%d keys have the name of an older layout", later.Old)
	}
	if devices, noted := later.kinds["d"].keys-later.astray, later.kinds["y"].records; devices != noted {
		return fmt.Sprintf("there are %d devices, and %d ids of devices by team", devices, noted)
	}
	kinds := maps.Clone(c.kinds)
	maps.Copy(kinds, later.kinds)
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if before, after := c.kinds[kind], later.kinds[kind]; before != after && !slices.Contains(uncounted, kind) {
			words = append(words, fmt.Sprintf("of kind %s there were %d keys with %d records (%d unreadable), now %d with %d (%d)",
				kind, before.keys, before.records, before.unreadable, after.keys, after.records, after.unreadable))
		}
	}
	return strings.Join(words, "; ")
}

// Look reads every record of the store, whatever layout its keys have.
func (s *Migration) Look(ctx context.Context) (Contents, error) {
	found := Contents{kinds: map[string]count{}}
	total := int64(0)
	for _, c := range s.Redis.Masters() {
		n, err := c.DBSize(ctx).Result()
		if err != nil {
			return found, err
		}
		total += n
	}
	progress := s.progress("read", int(total))
	seed, seen := maphash.MakeSeed(), map[uint64]struct{}{} // SCAN may return a key twice
	err := s.each(ctx, func(c redis.Cmdable, names []string) error {
		names = slices.DeleteFunc(names, func(name string) bool {
			sum := maphash.String(seed, name)
			_, known := seen[sum]
			seen[sum] = struct{}{}
			return known
		})
		for _, name := range names {
			if keys.Older(name) {
				found.Old++
			}
			if keys.Astray(name) {
				found.astray++
			}
		}
		defer func() { progress(len(seen)) }()
		return s.read(ctx, c, names, found.kinds)
	})
	return found, err
}
