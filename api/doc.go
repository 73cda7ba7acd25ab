// Package api is the shapes of Muster's REST API: what requests and answers hold, as JSON.
//
// It hides how versions, absent fields, lists of names and payloads are written. The server
// (package rest) and the client (package client) share it.
package api
