// Package export writes lists as CSV or JSON lines, row by row: a list of any length takes the memory of
// one page. It hides the columns of each list, and what a spreadsheet would take for a formula.
package export
