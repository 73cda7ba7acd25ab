package route

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// tokenParam is where Particle's oldest clients repeat the token. Muster reads it from the
// header only, because URLs are logged.
const tokenParam = "access_token"

// maxParameters bounds the parameters of one query.
const maxParameters = 2000

// maxQueryText bounds a text in a query, or an element of a list there, in bytes.
const maxQueryText = 1024

// knownQuery rejects query parameters that the operation does not have: an ignored filter
// would select more than was asked for.
func (s *service) knownQuery(ctx huma.Context, next func(huma.Context)) {
	address := ctx.URL()
	if strings.Count(address.RawQuery, "&") >= maxParameters {
		s.refuse(ctx, WrongInput(tooMany(address.RawQuery)))
		return
	}
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		s.refuse(ctx, Malformed("the query is not well formed: "+err.Error()))
		return
	}
	faults := unknownParameters(query, ctx.Operation().Parameters)
	if len(faults) == 0 {
		faults = wrongValues(query)
	}
	if len(faults) > 0 {
		s.refuse(ctx, WrongInput(faults))
		return
	}
	next(huma.WithValue(ctx, queryKey{}, query))
}

// queryKey is the context key of the parsed query.
type queryKey struct{}

// listed are the parameters that can be repeated.
var listed = map[string]bool{"groups": true, "tags": true, "deviceIds": true, "deviceTypes": true}

// wrongValues are values that no parameter accepts, and repeated parameters, of which all
// but one value would be ignored.
func wrongValues(query url.Values) map[string]string {
	faults := map[string]string{}
	for key, values := range query {
		name, _, _ := strings.Cut(key, "[")
		if len(values) > 1 && !listed[name] {
			faults[name] = fmt.Sprintf("sent %d times: send it once", len(values))
			continue
		}
		for _, text := range values {
			if fault := WrongText(text); fault != "" {
				faults[name] = fault
				break
			}
		}
	}
	return faults
}

// WrongText returns what is wrong with a text, or with an element of a list separated by commas;
// "" for nothing.
func WrongText(text string) string {
	if !utf8.ValidString(text) {
		return notUTF8
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "control characters are not accepted"
	}
	for element := range strings.SplitSeq(text, ",") {
		if len(element) > maxQueryText {
			return fmt.Sprintf("longer than %d bytes", maxQueryText)
		}
	}
	return ""
}

// tooMany returns an error about the most frequent parameter.
func tooMany(raw string) map[string]string {
	times := map[string]int{}
	most := ""
	for parameter := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if times[name]++; times[name] > times[most] {
			most = name
		}
	}
	return map[string]string{most: fmt.Sprintf("sent %d times: a query has at most %d parameters", times[most], maxParameters)}
}

// unknownParameters are the parameters of query that are not known, with advice.
func unknownParameters(query url.Values, known []*huma.Param) map[string]string {
	var names []string
	for _, p := range known {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	advice := "unknown parameter: this call accepts none"
	if len(names) > 0 {
		advice = "unknown parameter: use " + strings.Join(names, ", ")
	}
	faults := map[string]string{}
	for key := range query {
		name := key
		if namesKey.MatchString(key) { // groups[]=a and groups[0]=a are groups
			name, _, _ = strings.Cut(key, "[")
		}
		if strings.HasPrefix(key, factsParam+".") {
			name = factsParam
		}
		if name != tokenParam && !slices.Contains(names, name) {
			faults[key] = advice
		}
	}
	return faults
}
