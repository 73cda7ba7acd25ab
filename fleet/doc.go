// Package fleet is the vocabulary every other package speaks: teams, users, products,
// devices, groups, firmware, releases and updates, their ids and versions, the kinds of
// error, and the one function that decides who may do what.
//
// Its types are plain values. They carry no tags: what crosses HTTP lives in api, the
// radio in wire, Redis in store. Nothing here blocks, logs or keeps state.
package fleet
