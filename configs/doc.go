// Package configs is the configuration of the server: the file an operator edits, with
// every key commented, and its strict loader.
//
// It hides where a setting comes from: the layers (defaults, file, environment, flags), the
// YAML, the units, and the spelling of names in each.
package configs
