package route

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// factsParam is the query parameter for facts of devices; see FactsQuery.
const factsParam = "facts"

// FactsQuery reads what devices must have reported: facts.modem=nRF9160, and in the form that
// every client can send, facts=modem=nRF9160.
type FactsQuery struct {
	FactsText string       `query:"facts" doc:"Reported this fact, as NAME=VALUE; for several, facts.NAME=VALUE&facts.OTHER=VALUE. modem.imei is imei within modem"`
	Facts     []fleet.Fact // sorted by path
}

// Resolve collects the facts; huma calls it.
func (q *FactsQuery) Resolve(ctx huma.Context) []error {
	query, _ := ctx.Context().Value(queryKey{}).(url.Values)
	for key, values := range query {
		path, named := strings.CutPrefix(key, factsParam+".")
		for _, text := range values {
			if key == factsParam && text == "" {
				continue
			}
			if named {
				text = path + "=" + text
			} else if key != factsParam {
				continue
			}
			fact, err := fleet.ParseFact(text)
			if err != nil {
				return []error{WrongInput(map[string]string{factsParam: err.Error()})}
			}
			q.Facts = append(q.Facts, fact)
		}
	}
	if len(q.Facts) > fleet.MaxQueryFacts {
		return []error{WrongInput(map[string]string{factsParam: fmt.Sprintf("%d facts: a query has at most %d", len(q.Facts), fleet.MaxQueryFacts)})}
	}
	slices.SortFunc(q.Facts, func(a, b fleet.Fact) int { return strings.Compare(a.Path, b.Path) })
	return nil
}
