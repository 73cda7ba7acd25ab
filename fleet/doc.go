// Package fleet is the vocabulary of all other packages: teams, users, products, devices,
// groups, firmware, releases and updates, their ids and versions, the kinds of
// error, and May, the one function that decides who may do what (docs/rules.md).
//
// Its types are plain values without tags: HTTP's forms are in api, the device protocol's
// in wire, Redis's in store. Nothing here blocks, logs or keeps state.
package fleet
