package configs

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// value converts one setting from and to text. An error of Set states what is allowed and,
// unless it is secret, the text; the setting is unchanged then.
type value interface {
	Set(text string) error
	String() string
}

// field is a value of type T, kept at at.
type field[T any] struct {
	at    *T
	parse func(string) (T, error)
	show  func(T) string
}

func (f field[T]) Set(s string) error {
	v, err := f.parse(s)
	if err != nil {
		return err
	}
	*f.at = v
	return nil
}

func (f field[T]) String() string { return f.show(*f.at) }

func text(at *string) value {
	return field[string]{at, parseText, strconv.Quote}
}

func secret(at *Secret) value {
	return field[Secret]{at, func(s string) (Secret, error) { return Secret(s), nil }, Secret.String}
}

func count(at *int) value {
	return field[int]{at, parseCount, strconv.Itoa}
}

func truth(at *bool) value {
	return field[bool]{at, parseTruth, strconv.FormatBool}
}

func duration(at *time.Duration) value {
	return field[time.Duration]{at, parseDuration, time.Duration.String}
}

func size(at *Size) value { return field[Size]{at, ParseSize, Size.String} }

func rate(at *Rate) value { return field[Rate]{at, ParseRate, Rate.String} }

func level(at *slog.Level) value {
	return field[slog.Level]{at, parseLevel, func(l slog.Level) string { return strings.ToLower(l.String()) }}
}

// list is a value of several parts, separated by commas.
type list interface{ several() }

type listField[T any] struct{ field[[]T] }

func (listField[T]) several() {}

func durations(at *[]time.Duration) value {
	return listField[time.Duration]{field[[]time.Duration]{at, parseDurations, showDurations}}
}

func texts(at *[]string) value {
	return listField[string]{field[[]string]{at, parseTexts, showTexts}}
}

func networks(at *[]netip.Prefix) value {
	return listField[netip.Prefix]{field[[]netip.Prefix]{at, parseNetworks, showNetworks}}
}

func parseText(s string) (string, error) {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("%.40q has control characters", s)
	}
	return s, nil
}

func parseTexts(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		one, err := parseText(strings.TrimSpace(part))
		if err == nil && one == "" {
			err = fmt.Errorf("%.40q has an empty part", s)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func showTexts(all []string) string { return showList(all, strconv.Quote) }

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a whole number", s)
	}
	return int(n), nil
}

func parseTruth(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither true nor false", s)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%.40q is not a time such as 90s, 20m or 24h", s)
	}
	return d, nil
}

func parseDurations(s string) ([]time.Duration, error) {
	var all []time.Duration
	for part := range strings.SplitSeq(s, ",") {
		d, err := parseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// parseNetworks reads networks such as 10.0.0.0/8, and single addresses.
func parseNetworks(s string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" && strings.TrimSpace(s) == "" {
			return nil, nil
		}
		network, err := netip.ParsePrefix(part)
		if ip, err2 := netip.ParseAddr(part); err2 == nil {
			network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("%.60q is not a network such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32", part)
		}
		if network != network.Masked() {
			return nil, fmt.Errorf("%s has bits behind its prefix: write %s", part, network.Masked())
		}
		all = append(all, network)
	}
	return all, nil
}

func showDurations(all []time.Duration) string {
	return showList(all, time.Duration.String)
}

func showNetworks(all []netip.Prefix) string {
	return showList(all, func(n netip.Prefix) string { return strconv.Quote(n.String()) }) // YAML would read ::1 as something else
}

func showList[T any](all []T, show func(T) string) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = show(v)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func parseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%.40q is not one of debug, info, warn, error", s)
}
