// Package api is Muster's REST interface for operators.
//
// It hides HTTP: paths, bodies as JSON or forms, the shapes other clouds' clients know,
// paging, status codes and the OpenAPI document. It decides nothing: every operation is
// one call to what New is given, which asks fleet.May.
package api
