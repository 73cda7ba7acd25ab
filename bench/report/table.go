package report

import "fmt"

// Table is the same quantities of several setups, one row each.
type Table struct {
	What    string   `json:"what"`
	Columns []string `json:"columns"`
	Lines   []Line   `json:"lines"`
}

// Line is one row of a Table.
type Line struct {
	What   string    `json:"what"`
	Values []float64 `json:"values"` // in the order of the columns
}

// Add adds a row.
func (t *Table) Add(what string, values ...float64) {
	t.Lines = append(t.Lines, Line{What: what, Values: values})
}

func (r *Result) tables() (text []byte) {
	for _, t := range r.Tables {
		text = fmt.Appendf(text, "\n%s\t", t.What)
		for _, column := range t.Columns {
			text = fmt.Appendf(text, "%s\t", column)
		}
		for _, line := range t.Lines {
			text = fmt.Appendf(text, "\n%s\t", line.What)
			for _, v := range line.Values {
				text = fmt.Appendf(text, "%s\t", Number(v))
			}
		}
		text = append(text, '\n')
	}
	return text
}

// Median is the median of values, of which there is at least one.
func Median(values []float64) float64 { return quantile(values, 0.5) }
