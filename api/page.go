package api

import (
	"net/url"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// maxRows bounds one page of a list.
const maxRows = 100

// Pages are the query parameters of Particle-shaped lists.
type Pages struct {
	Page     int `query:"page" minimum:"1" default:"1" doc:"Page, from 1"`
	PerPage  int `query:"per_page" minimum:"1" maximum:"100" doc:"Rows of a page; 25 when absent"`
	PerPage2 int `query:"perPage" minimum:"1" maximum:"100" doc:"The same as per_page"`
}

// window is how many rows to skip and to take.
func (p Pages) window() (skip, limit int, err error) {
	limit = 25
	for _, given := range []int{p.PerPage, p.PerPage2} {
		if given != 0 {
			limit = given
		}
	}
	skip = (p.Page - 1) * limit
	if p.Page > fleet.MaxSkip || skip+limit > fleet.MaxSkip {
		return 0, 0, fleet.FieldErrorf("page", "page numbers reach %d rows: filter, or use pageNextToken of GET /v1/devices", fleet.MaxSkip)
	}
	return skip, limit, nil
}

// pageCount is how many pages total rows fill; an empty list has one.
func pageCount(total, limit int) int { return max(1, (total+limit-1)/limit) }

// Cursors are the query parameters of nRF-shaped lists.
type Cursors struct {
	PageLimit     int    `query:"pageLimit" minimum:"1" maximum:"100" default:"10" doc:"Rows of a page"`
	PageNextToken string `query:"pageNextToken" doc:"pageNextToken of the page before"`
}

// Page is an nRF-shaped list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Total int    `json:"total" doc:"Rows of this page"`
	Next  string `json:"pageNextToken,omitempty" doc:"Ask for the next page with it; absent on the last"`
}

func page[T any](items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, Total: len(items), Next: next}
}

// GroupsQuery reads the query parameter groups in all its spellings: groups=a,b,
// groups=a&groups=b, groups[]=a and groups[0]=a; and nRF Cloud's tags, likewise.
type GroupsQuery struct {
	GroupsText string `query:"groups" doc:"Group names between commas; also groups[]=a&groups[]=b"`
	TagsText   string `query:"tags" doc:"The same as groups"`
	names      Names
	given      bool
}

// Resolve collects the names; huma calls it.
func (g *GroupsQuery) Resolve(ctx huma.Context) []error {
	address := ctx.URL()
	g.names, g.given = namesIn(address.Query())
	if err := g.names.bounded(); err != nil {
		return []error{wrongInput(map[string]string{"groups": err.Error()})}
	}
	return nil
}

var namesKey = regexp.MustCompile(`^(groups|tags)(\[\d*\])?$`)

func namesIn(query url.Values) (names Names, given bool) {
	names = Names{}
	for key, values := range query {
		if namesKey.MatchString(key) {
			given = true
			names = append(names, splitNames(values...)...)
		}
	}
	return names, given
}
