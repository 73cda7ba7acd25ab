// Package client is the Go client of Muster's REST API.
//
// A Client calls one server with one token. Its methods take and return the shapes of
// package api, and return errors of fleet's kinds, as the server reported them.
package client
