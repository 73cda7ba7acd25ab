package api

// MaxRows bounds one page of a list.
const MaxRows = 100

// Page is an nRF-shaped list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Total int    `json:"total" doc:"Rows of this page"`
	Next  string `json:"pageNextToken,omitempty" doc:"Token for the next page; absent on the last"`
}

// PageOf returns one page of rows; next is empty on the last.
func PageOf[T any](items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, Total: len(items), Next: next}
}
