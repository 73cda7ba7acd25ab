package route

import "github.com/muster-iot/muster/fleet"

// Pages are the query parameters of Particle-shaped lists.
type Pages struct {
	Page     int `query:"page" minimum:"1" default:"1" doc:"Page, from 1. Rows move to other pages as devices come and go: to read a whole list, use pageNextToken of GET /v1/devices"`
	PerPage  int `query:"per_page" minimum:"1" maximum:"100" doc:"Rows of a page; 25 when absent"`
	PerPage2 int `query:"perPage" minimum:"1" maximum:"100" doc:"The same as per_page"`
}

// Window returns how many rows to skip and to return.
func (p Pages) Window() (skip, limit int, err error) {
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

// PageCount returns the number of pages for total rows; an empty list has one.
func PageCount(total, limit int) int { return max(1, (total+limit-1)/limit) }

// Cursors are the query parameters of nRF-shaped lists. A cursor is a place in the order of a list,
// not a row: what is there, and selected, while all pages are read is on exactly one of them,
// whatever comes and goes meanwhile (docs/operations.md#long-lists).
type Cursors struct {
	PageLimit     int    `query:"pageLimit" minimum:"1" maximum:"100" default:"10" doc:"Rows of a page"`
	PageNextToken string `query:"pageNextToken" doc:"pageNextToken of the previous page, with the same filters and order. What is there and selected while you read all pages is on exactly one of them; what comes or goes meanwhile may be on one or on none"`
}
