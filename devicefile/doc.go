// Package devicefile reads files of devices to import: lists of ids, spreadsheets saved as CSV or
// tab-separated text, and files of secrets. Console, REST API and command line share it, so that
// the same file means the same everywhere (docs/adr/0021).
package devicefile
