package route

import (
	"net/url"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/api"
)

// GroupsQuery reads the query parameter groups in all its forms: groups=a,b,
// groups=a&groups=b, groups[]=a and groups[0]=a; and nRF Cloud's tags in the same way.
type GroupsQuery struct {
	GroupsText string `query:"groups" doc:"Group names separated by commas; also groups[]=a&groups[]=b"`
	TagsText   string `query:"tags" doc:"The same as groups"`
	Names      api.Names
	Given      bool
}

// Resolve collects the names; huma calls it.
func (g *GroupsQuery) Resolve(ctx huma.Context) []error {
	query, _ := ctx.Context().Value(queryKey{}).(url.Values)
	g.Names, g.Given = namesIn(query)
	if err := g.Names.Check(); err != nil {
		return []error{WrongInput(map[string]string{"groups": err.Error()})}
	}
	return nil
}

var namesKey = regexp.MustCompile(`^(groups|tags)(\[\d*\])?$`)

func namesIn(query url.Values) (names api.Names, given bool) {
	names = api.Names{}
	for key, values := range query {
		if namesKey.MatchString(key) {
			given = true
			names = append(names, api.SplitNames(values...)...)
		}
	}
	return names, given
}
