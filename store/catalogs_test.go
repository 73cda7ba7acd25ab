package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
)

// after is a hook that calls do once, behind the first write of a key.
type after struct {
	key  string
	do   func()
	once sync.Once
}

func (*after) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*after) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		for _, c := range commands {
			if slices.Contains(c.Args(), any(h.key)) {
				h.once.Do(h.do)
			}
		}
		return err
	}
}

func TestAProductThatCouldNotBeMadeTakesNoSlug(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, user, first := newTeam(t, s)
		second := first.ID + 1
		hook(s, &after{key: keys.Product(second), do: func() { client(s).Del(ctx, keys.Team(team.ID)) }})
		if p, err := s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: "meter"}); !errors.Is(err, fleet.NotFound) || p.ID != 0 {
			t.Errorf("in a team deleted meanwhile: got %+v, %v, want not found", p, err)
		}
		if _, err := s.Catalogs.Catalog(ctx, second); !errors.Is(err, fleet.NotFound) {
			t.Errorf("its catalog: got %v, want not found", err)
		}
		other := got[fleet.Team](t)(s.Teams.CreateTeam(ctx, fleet.Team{Name: "two"}, fleet.Member{User: user.ID}))
		got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: other.ID, Slug: "meter"}))
	})
}
