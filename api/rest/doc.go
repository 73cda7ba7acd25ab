// Package rest is the operations of Muster's REST API.
//
// It hides how fleet's types become the shapes of package api and back. It decides nothing:
// each operation is one call to a domain package, which asks fleet.May. Before an operation
// runs, Admit looks up what its path names and refuses members whose role does not permit
// it. Packages particle and nrf add the operations that exist for those clouds' clients.
package rest
