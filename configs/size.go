package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// Rate is a number of bytes per second.
type Rate int64

// units from the largest down, so that a size is shown in the largest that divides it.
var units = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"KB", 1e3},
	{"B", 1},
}

// ParseSize reads a whole number with a unit: 64MiB, 512KB, 4096B. 0 needs none.
func ParseSize(s string) (Size, error) {
	n, ok := parseBytes(s)
	if !ok {
		return 0, fmt.Errorf("%.40q is not a size such as 512KB or 64MiB", s)
	}
	return Size(n), nil
}

// ParseRate reads a size per second: 10MB/s, 64KiB/s. 0 needs no unit.
func ParseRate(s string) (Rate, error) {
	n, ok := parseBytes(strings.TrimSuffix(s, "/s"))
	if !ok || n != 0 && !strings.HasSuffix(s, "/s") {
		return 0, fmt.Errorf("%.40q is not a rate such as 500KB/s or 10MB/s", s)
	}
	return Rate(n), nil
}

// String returns s in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0"
}

// String returns r in the largest unit that divides it.
func (r Rate) String() string {
	if r == 0 {
		return "0"
	}
	return Size(r).String() + "/s"
}

func parseBytes(s string) (int64, bool) {
	if s == "0" {
		return 0, true
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			return 0, false
		}
		return int64(n) * u.bytes, true
	}
	return 0, false
}
