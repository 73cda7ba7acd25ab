package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func TestNamesAreTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, user, product := newTeam(t, s)
		group := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu"}))
		other := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "us"}))
		second := got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: "meter"}))
		_, slug := s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: product.Slug})
		_, slugEdit := s.Catalogs.EditCatalog(ctx, second.ID, func(c *fleet.Catalog) error {
			c.Product.Slug = product.Slug
			return nil
		})
		_, name := s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: group.Name})
		_, rename := s.Teams.EditGroup(ctx, team.ID, other.ID, func(g *fleet.Group) error {
			g.Name = group.Name
			return nil
		})
		member := s.Teams.AddMember(ctx, fleet.Member{Team: team.ID, User: user.ID})
		for what, err := range map[string]error{"slug": slug, "slug by edit": slugEdit, "group name": name, "group name by edit": rename, "member": member} {
			if !errors.Is(err, fleet.Conflict) {
				t.Errorf("%s taken twice: got %v, want a conflict", what, err)
			}
		}
	})
}

func TestARenamedProductIsFoundByItsNewSlugOnly(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error {
			c.Product.Slug = "renamed"
			return nil
		}))
		if p, err := s.Catalogs.ProductBySlug(ctx, product.Team, "renamed"); err != nil || p.ID != product.ID {
			t.Errorf("by the new slug: got %v, %v", p, err)
		}
		if _, err := s.Catalogs.ProductBySlug(ctx, product.Team, product.Slug); !errors.Is(err, fleet.NotFound) {
			t.Errorf("by the old slug: got %v, want not found", err)
		}
		got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: product.Slug}))
	})
}

func TestADeletedProductIsGoneEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		must(t, s.Catalogs.DeleteProduct(ctx, product.ID))
		if _, err := s.Catalogs.Catalog(ctx, product.ID); !errors.Is(err, fleet.NotFound) {
			t.Errorf("catalog: got %v, want not found", err)
		}
		if left := got[[]fleet.Product](t)(s.Catalogs.Products(ctx, team.ID)); len(left) != 0 {
			t.Errorf("products: got %v, want none", left)
		}
		if again := got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, product)); again.ID == product.ID {
			t.Error("the id of a deleted product was given out again")
		}
	})
}

func TestConcurrentCatalogEditsLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		_, _, product := newTeam(t, s)
		shared := got[*fleet.Catalog](t)(s.Catalogs.Catalog(ctx, product.ID))
		var all sync.WaitGroup
		for g := range 20 {
			all.Go(func() {
				_, err := s.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error {
					c.Groups[fleet.GroupID(g+1)] = version("7")
					v := version(fmt.Sprint(g))
					c.Firmware[v.Key()] = fleet.Firmware{Product: product.ID, Version: v, Title: "image"}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		c := got[*fleet.Catalog](t)(s.Catalogs.docs.Load(ctx, product.ID))
		if len(c.Groups) != 20 || len(c.Firmware) != 20 {
			t.Errorf("got %d releases and %d images, want 20 of each", len(c.Groups), len(c.Firmware))
		}
		if len(shared.Groups) != 0 {
			t.Error("an edit changed the catalog that others read")
		}
	})
}

// TestAnotherProcessIsSeen has two stores on one Redis, as two processes would.
func TestAnotherProcessIsSeen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ours, theirs := openTwo(t)
	team, user, product := newTeam(t, ours)
	got[fleet.Member](t)(theirs.Teams.Member(ctx, team.ID, user.ID))
	before := got[*fleet.Catalog](t)(theirs.Catalogs.Catalog(ctx, product.ID))

	group := got[fleet.Group](t)(ours.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu"}))
	if groups := got[[]fleet.Group](t)(theirs.Teams.Groups(ctx, team.ID)); len(groups) != 1 {
		t.Errorf("groups as the other sees them: %v", groups)
	}
	edited := got[*fleet.Catalog](t)(ours.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error {
		c.Groups[group.ID] = version("3")
		return nil
	}))
	d := newDevice("a")
	d.Product = product.ID
	must(t, theirs.Devices.Create(ctx, d))
	theirs.Catalogs.docs.Compare(ctx) // as every 2 s
	rev := got[uint64](t)(theirs.Devices.Save(ctx, d))
	if rev != edited.Revision || rev <= before.Revision {
		t.Fatalf("the save returned revision %d, want %d", rev, edited.Revision)
	}
	if c := got[*fleet.Catalog](t)(theirs.Catalogs.CatalogAt(ctx, product.ID, rev)); c.Groups[group.ID] != version("3") {
		t.Errorf("the catalog at that revision lacks the release: %v", c.Groups)
	}
	got[*fleet.Catalog](t)(theirs.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error {
		c.Default = version("4")
		return nil
	}))
	got[fleet.Device](t)(ours.Devices.Edit(ctx, "1/a", func(*fleet.Device) error { return nil }))
}

func TestMembershipIsSeenFromBothSides(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, owner, _ := newTeam(t, s)
		group := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu"}))
		user := got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "e@example.com"}))
		m := fleet.Member{Team: team.ID, User: user.ID, Email: user.Email, Role: fleet.Editor, Groups: []fleet.GroupID{group.ID}}
		must(t, s.Teams.AddMember(ctx, m))
		if diff := cmp.Diff(got[[]fleet.Member](t)(s.Teams.TeamsOf(ctx, user.ID)), []fleet.Member{m}); diff != "" {
			t.Errorf("teams of the user, got (-), want (+):\n%s", diff)
		}
		if members := got[[]fleet.Member](t)(s.Teams.Members(ctx, team.ID)); len(members) != 2 {
			t.Errorf("got members %v, want owner and editor", members)
		}
		m.Groups = []fleet.GroupID{99}
		_, err := s.Teams.EditMember(ctx, team.ID, user.ID, func(e *fleet.Member) error { *e = m; return nil })
		if !errors.Is(err, fleet.NotFound) {
			t.Errorf("a group the team does not have: got %v, want not found", err)
		}
		must(t, s.Teams.EditMembers(ctx, team.ID, func(all map[fleet.UserID]fleet.Member) error {
			old, heir := all[owner.ID], all[user.ID]
			old.Role, heir.Role = fleet.Admin, fleet.Owner
			all[owner.ID], all[user.ID] = old, heir
			return nil
		}))
		if heir := got[fleet.Member](t)(s.Teams.Member(ctx, team.ID, user.ID)); heir.Role != fleet.Owner {
			t.Errorf("got role %v after the hand-over, want owner", heir.Role)
		}
		if err := s.Teams.RemoveMember(ctx, team.ID, user.ID); !errors.Is(err, fleet.Conflict) {
			t.Errorf("the owner leaves: got %v, want a conflict", err)
		}
		must(t, s.Teams.RemoveMember(ctx, team.ID, owner.ID))
		if left := got[[]fleet.Member](t)(s.Teams.TeamsOf(ctx, owner.ID)); len(left) != 0 {
			t.Errorf("teams of a removed member: %v", left)
		}
	})
}

func TestTokensAreFoundListedAndRevoked(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, _ := newTeam(t, s)
		user := got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "member@example.com"}))
		must(t, s.Teams.AddMember(ctx, fleet.Member{Team: team.ID, User: user.ID, Email: user.Email, Role: fleet.Viewer}))
		older := fleet.Token{ID: "a1", Hash: [32]byte{1}, User: user.ID, Team: team.ID, Created: at(1)}
		newer := fleet.Token{ID: "a2", Hash: [32]byte{2}, User: user.ID, Team: team.ID, Created: at(2)}
		elsewhere := fleet.Token{ID: "a3", User: user.ID, Team: 99, Created: at(3)}
		for _, k := range []fleet.Token{older, newer, elsewhere} {
			must(t, s.Teams.CreateToken(ctx, k))
		}
		if diff := cmp.Diff(got[[]fleet.Token](t)(s.Teams.Tokens(ctx, team.ID, user.ID)), []fleet.Token{newer, older}); diff != "" {
			t.Errorf("tokens, got (-), want (+):\n%s", diff)
		}
		if all := got[[]fleet.Token](t)(s.Teams.Tokens(ctx, 0, user.ID)); len(all) != 3 || all[0].ID != elsewhere.ID {
			t.Errorf("of all teams: got %v", all)
		}
		must(t, s.Teams.DeleteToken(ctx, "a1"))
		if _, err := s.Teams.Token(ctx, "a1"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("a revoked token: got %v, want not found", err)
		}
		must(t, s.Teams.DeleteUser(ctx, user.ID))
		if _, err := s.Teams.Token(ctx, "a2"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("a token of a deleted user: got %v, want not found", err)
		}
		got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: user.Email}))
	})
}

func TestATeamIsDeletedOnceItHasNoProducts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, user, product := newTeam(t, s)
		if err := s.Teams.DeleteTeam(ctx, team.ID); !errors.Is(err, fleet.Conflict) {
			t.Errorf("with a product: got %v, want a conflict", err)
		}
		must(t, s.Catalogs.DeleteProduct(ctx, product.ID))
		must(t, s.Teams.DeleteTeam(ctx, team.ID))
		if teams := got[[]fleet.TeamID](t)(s.Teams.AllTeams(ctx)); len(teams) != 0 {
			t.Errorf("teams left: %v", teams)
		}
		if teams := got[[]fleet.Member](t)(s.Teams.TeamsOf(ctx, user.ID)); len(teams) != 0 {
			t.Errorf("the owner is still in %v", teams)
		}
	})
}

func TestUsersWithOneEmailAreToldApart(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		var ids []fleet.UserID
		for range MaxAccounts {
			ids = append(ids, got[fleet.User](t)(s.Teams.CreateUser(t.Context(), fleet.User{Email: "a@example.com"})).ID)
		}
		if _, err := s.Teams.CreateUser(t.Context(), fleet.User{Email: "a@example.com"}); !errors.Is(err, fleet.Conflict) {
			t.Errorf("one more: got %v, want Conflict", err)
		}
		must(t, s.Teams.DeleteUser(t.Context(), ids[1]))
		ids = append(slices.Delete(ids, 1, 2), got[fleet.User](t)(s.Teams.CreateUser(t.Context(), fleet.User{Email: "a@example.com"})).ID)
		var found []fleet.UserID
		for _, u := range got[[]fleet.User](t)(s.Teams.UsersByEmail(t.Context(), "a@example.com")) {
			found = append(found, u.ID)
		}
		if !slices.Equal(found, ids) {
			t.Errorf("got %v, want %v", found, ids)
		}
		for _, id := range ids {
			must(t, s.Teams.DeleteUser(t.Context(), id))
		}
		if users := got[[]fleet.User](t)(s.Teams.UsersByEmail(t.Context(), "a@example.com")); len(users) != 0 {
			t.Errorf("got %v after all were deleted", users)
		}
	})
}
